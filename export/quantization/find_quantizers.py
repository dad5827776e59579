"""What a model says about its own quantization."""

from kerastl.export.quantization import node_kinds
from kerastl.export.quantization.activation_quantizer import ActivationQuantizer
from kerastl.export.runners.inference_model import is_augmentation
from kerastl.surgery import graph as graphs


def is_quantization_aware(model):
    """Whether `model` was made by `quantization_aware`."""
    return any(
        isinstance(layer, ActivationQuantizer)
        for layer in find_quantizers(model)
    )


def find_quantizers(model):
    """All `ActivationQuantizer`s in a model, those inside layers too."""
    return [
        layer
        for layer in graphs.hidden_layers(model)
        if isinstance(layer, ActivationQuantizer)
    ]


def float_layers(model):
    """Paths of the calls in `model` that have no 8-bit form."""
    paths = [
        node.path
        for _, node in graphs.walk(model)
        if node_kinds.node_kind(node) == node_kinds.FLOAT
        and not is_augmentation(node)
    ]
    return list(dict.fromkeys(paths))
