"""Layers whose stored kernel is not the one that they compute with."""

import keras
import numpy as np

from kerastl.surgery.carry_state import carry_inside
from kerastl.surgery.carry_state import carry_state
from kerastl.surgery.graph import walk
from kerastl.surgery.rebuild import config_of
from kerastl.surgery.rebuild import rebuild
from kerastl.surgery.rebuild import remake

_OF_LORA = ("lora_rank", "lora_alpha")
_OF_QUANTIZATION = ("quantization_config",)


def is_plain(layer) -> bool:
    """Whether a layer computes with the kernel that it stores.

    One with `enable_lora()` adds a product of two small matrices to it, and
    one that `keras.Model.quantize` changed stores whole numbers.
    """
    return not (
        getattr(layer, "lora_enabled", False)
        or getattr(layer, "quantization_mode", None)
    )


def weights_in_effect(layer) -> list:
    """Kernel and bias, if there is one, that a layer computes with.

    Args:
        layer: A built `Dense` layer or convolution.

    Returns:
        List of float32 arrays.
    """
    kernel = layer.kernel
    if getattr(layer, "quantization_mode", None):
        kernel = _answers_to_units(layer)
    weights = [kernel] if layer.bias is None else [kernel, layer.bias]
    return [
        keras.ops.convert_to_numpy(each).astype("float32") for each in weights
    ]


def with_plain_weights(model) -> keras.Model:
    """The network with every such layer in the plain form of its class.

    Args:
        model: A functional or built sequential `keras.Model`.

    Returns:
        A functional `keras.Model` that shares nothing with `model`, or `model`
        itself where all its layers are plain.
    """
    if all(not _has_twin(node.operation) for _, node in walk(model)):
        return model
    twins = {}

    def call(node, layer, *args, **kwargs):
        operation = node.operation
        if not _has_twin(operation):
            return layer(*args, **kwargs)
        if id(operation) not in twins:
            twins[id(operation)] = _twin(operation)
        return twins[id(operation)](*args, **kwargs)

    return rebuild(model, call=call)


def _has_twin(operation):
    classes = (keras.layers.Conv2D, keras.layers.Dense)
    return isinstance(operation, classes) and not is_plain(operation)


def _twin(layer):
    config = config_of(layer)
    left_out = (*_OF_LORA, *_OF_QUANTIZATION)
    config = {name: config[name] for name in config if name not in left_out}
    # "int8_from_float32" stands for float32 that was quantized.
    config["dtype"] = layer.dtype_policy.name.rpartition("_from_")[2]
    twin = remake(layer, config)
    twin.trainable = True
    twin.build_from_config(layer.get_build_config())
    for variable, value in zip(
        [twin.kernel, twin.bias], weights_in_effect(layer), strict=False
    ):
        variable.assign(value)
    carry_inside(layer, twin)
    return twin


def _answers_to_units(layer):
    """What a quantized `Dense` layer answers to each input alone."""
    linear = remake(layer)
    linear.build_from_config(layer.get_build_config())
    carry_state(layer, linear)
    linear.activation = keras.activations.linear
    size = layer.get_build_config()["input_shape"][-1]
    rows = linear(np.eye(size, dtype="float32"))
    return rows - linear(np.zeros((1, size), "float32"))
