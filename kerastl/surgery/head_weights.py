"""The weights of a source's classifier."""

import numpy as np

from kerastl.surgery.find_head import find_classifier
from kerastl.surgery.find_head import find_head
from kerastl.surgery.plain_weights import is_plain
from kerastl.surgery.plain_weights import weights_in_effect
from kerastl.surgery.score_kind import SIGMOID


def head_weights(source):
    """Kernel `(units, classes)` and bias `(classes,)` of a classifier.

    They are those in effect: the softmax of `features @ kernel + bias` is what
    the network says. A temperature behind the layer is divided in.

    Args:
        source: A functional or sequential model that ends in a `Dense` or 1x1
            convolution with softmax or none.

    Returns:
        Two float32 arrays; the bias is 0 where the classifier has none.

    Raises:
        ValueError: If the model has no classifier, one with sigmoid or a
            single output, or one whose predictions no kernel and bias can say.
    """
    head, scale = linear_head(source)
    kernel, *biases = weights_in_effect(head)
    kernel = kernel.reshape(kernel.shape[-2:])
    bias = biases[0] if biases else np.zeros(kernel.shape[1], "float32")
    factor = np.float32(scale)
    return kernel * factor, bias * factor


def write_head(model, rows, bias):
    """Writes weights in effect, one row a class, and biases of a classifier.

    Args:
        model: as in `head_weights`.
        rows: array `(classes, units)`.
        bias: array `(classes,)`; it is left out where the layer has none.

    Raises:
        ValueError: as in `head_weights`, and if the layer is quantized or has
            LoRA.
    """
    head, scale = linear_head(model)
    if not is_plain(head):
        raise ValueError(
            "The classifier computes with another kernel than the one that it "
            "stores: it is quantized, or has LoRA. "
            "`kerastl.replace_head` makes a plain one. "
            f"Received: layer={head.name!r} of {model.name!r}"
        )
    kernel = np.reshape(rows.T, tuple(head.kernel.shape))
    head.kernel.assign(kernel / scale)
    if head.bias is not None:
        head.bias.assign(bias / scale)


def linear_head(source):
    """The classifier's layer, and the factor of its scores in the softmax.

    Raises:
        ValueError: as in `head_weights`.
    """
    head = find_head(source).layer
    if head is None:
        raise ValueError(
            "The source has no classifier, whose predictions are needed here. "
            "Build it with its head, such as `include_top=True`. "
            f"Received: source={source.name!r}, which ends in "
            f"{source.layers[-1].name!r}"
        )
    kind = find_classifier(source).kind
    if kind.name == SIGMOID or source.output_shape[-1] == 1:
        raise ValueError(
            "The source's classifier ends in a sigmoid or in one output, and "
            "its predictions are read as probabilities that sum to 1. Take a "
            f"source with a softmax. Received: source={source.name!r}, "
            f"layer={head.name!r}"
        )
    size = getattr(head, "kernel_size", (1, 1))
    if kind.scale is None or tuple(size) != (1, 1):
        raise ValueError(
            "The source's predictions are not the softmax of a product of "
            "features and kernel, which is needed here: its classifier looks "
            "at a neighbourhood, or a normalization, a maximum or an "
            "activation function stands between it and the softmax. Put "
            "a `Dense` layer with softmax on the same features. "
            f"Received: source={source.name!r}, layer={head.name!r}"
        )
    return head, kind.scale


def answering_head(model):
    """The classifier's layer, and the factor of its scores in the answers.

    As `linear_head`, and of one output too, whose sigmoid is the answer.

    Raises:
        ValueError: If the network ends in no such classifier.
    """
    if find_head(model).layer is None or model.outputs[0].shape[-1] != 1:
        return linear_head(model)
    found = find_classifier(model)
    if not found.kind.scale:
        raise ValueError(
            "The network does not end in a classifier whose sigmoid is of one "
            f"layer's output. Received: model={model.name!r}"
        )
    return found.layer, found.kind.scale
