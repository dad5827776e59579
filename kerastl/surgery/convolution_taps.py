"""The convolutions whose bare outputs a student is compared at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from keras import layers

from kerastl.surgery.default_taps import default_taps
from kerastl.surgery.feature_extractor import feature_extractor
from kerastl.surgery.graph import read_graph
from kerastl.surgery.repeat_calls import open_nested

if TYPE_CHECKING:
    import keras

_CONVOLUTIONS = (
    layers.Conv2D,
    layers.DepthwiseConv2D,
    layers.SeparableConv2D,
)


def convolution_taps(
    model: keras.Model, student: keras.Model | None = None
) -> list[str]:
    """Chooses the last convolution of each stage.

    For each of `kerastl.surgery.default_taps` the deepest convolution that
    its features come from: where a block ends in a sum, the one in front of
    it, before its BatchNormalization.

    Args:
        model: The source, a functional or built sequential `keras.Model`,
            nested backbones included.
        student: The model to compare it with. Only convolutions whose output
            has the same shape there are returned.

    Returns:
        A list of layer names, from early to late.

    Raises:
        ValueError: If there are no stages, or no convolution with an output
            of the same shape in both models.

    Example:

    >>> source = keras.applications.ResNet50(weights=None)
    >>> kerastl.surgery.convolution_taps(source)[-1]
    'conv5_block3_3_conv'
    """
    ends = default_taps(model, student)
    flat = open_nested(feature_extractor(model, ends))
    producers, depths = {}, {}
    for node in read_graph(flat).nodes:
        depths[id(node)] = 1 + max(
            (
                depths[id(producers[id(tensor)])]
                for tensor in node.inputs
                if id(tensor) in producers
            ),
            default=0,
        )
        producers.update((id(tensor), node) for tensor in node.outputs)
    names = []
    for end in ends:
        found = _convolutions(flat.output[end], producers)
        if found:
            deepest = max(found, key=lambda node: depths[id(node)])
            names.append(deepest.operation.name)
    names = list(dict.fromkeys(names))
    if student is not None:
        names = [name for name in names if _same_shape(name, model, student)]
    if not names:
        raise ValueError(
            "No convolution was found in front of the ends of the stages, "
            "or none whose output has the same shape in the student. Name "
            f"the layers with `taps=[...]`. Received: model={model.name!r}, "
            f"ends of stages {ends}"
        )
    return names


def _convolutions(tensor, producers):
    """The convolutions that the features `tensor` are made of."""
    shape, found, waiting, seen = tensor.shape, [], [tensor], set()
    while waiting:
        each = waiting.pop()
        node = producers.get(id(each))
        if node is None or id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node.operation, _CONVOLUTIONS):
            if each.shape == shape:
                found.append(node)
        else:
            waiting.extend(node.inputs)
    return found


def _same_shape(name, *models):
    first, second = (
        feature_extractor(model, [name]).output[name].shape for model in models
    )
    return first == second
