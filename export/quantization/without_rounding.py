"""The float network inside a quantization-aware one."""

import keras

from kerastl.export.quantization.activation_quantizer import ActivationQuantizer
from kerastl.export.quantization.node_kinds import QUANTIZED
from kerastl.export.quantization.quantized_activation import QuantizedActivation
from kerastl.surgery.rebuild import rebuild

_PLAIN = {
    quantized: plain
    # Of two layers with one simulation, the one that Keras has comes first.
    for plain, quantized in reversed(QUANTIZED.items())
}


def without_rounding(model):
    """Returns a model of plain layers with the weights of another one.

    Args:
        model: A model that `quantization_aware` made, trained or not. It is
            not changed.

    Returns:
        A functional `keras.Model` with the names of the layers kept; the
        quantizers are gone.
    """
    plain = {}

    def call(node, layer, *args, **kwargs):
        operation = node.operation
        if isinstance(operation, ActivationQuantizer):
            return args[0]
        if not isinstance(operation, (QuantizedActivation, *_PLAIN)):
            return layer(*args, **kwargs)
        if id(operation) not in plain:
            plain[id(operation)] = _plain_layer(operation)
        layer = plain[id(operation)]
        outputs = layer(*args, **kwargs)
        # Behind the weights of the plain layer come those of the ranges.
        layer.set_weights(operation.get_weights()[: len(layer.weights)])
        return outputs

    return rebuild(model, call=call)


def _plain_layer(layer):
    if isinstance(layer, QuantizedActivation):
        return keras.layers.Activation(layer.activation, name=layer.name)
    config = layer.get_config()
    del config["per_channel"]
    return _PLAIN[type(layer)].from_config(config)
