"""The weights of a source's classifier."""

import numpy as np
from keras import ops

from kerastl.surgery.find_head import find_head
from kerastl.surgery.output_kind import output_kind


def head_weights(source):
    """Kernel `(units, classes)` and bias `(classes,)` of a classifier.

    Args:
        source: A functional or sequential model that ends in a `Dense` or 1x1
            convolution with softmax or none.

    Returns:
        Two float32 arrays; the bias is 0 where the classifier has none.

    Raises:
        ValueError: If the model has no classifier, or one with sigmoid or a
            single output.
    """
    head = find_head(source).layer
    if head is None:
        raise ValueError(
            "The source has no classifier, whose predictions are needed here. "
            "Build it with its head, such as `include_top=True`. "
            f"Received: source={source.name!r}, which ends in "
            f"{source.layers[-1].name!r}"
        )
    if output_kind(source) == "sigmoid" or source.output_shape[-1] == 1:
        raise ValueError(
            "The source's classifier ends in a sigmoid or in one output, and "
            "its predictions are read as probabilities that sum to 1. Take a "
            f"source with a softmax. Received: source={source.name!r}, "
            f"layer={head.name!r}"
        )
    kernel = ops.convert_to_numpy(head.kernel).astype("float32")
    kernel = kernel.reshape(kernel.shape[-2:])
    bias = np.zeros(kernel.shape[1], "float32")
    if head.bias is not None:
        bias = ops.convert_to_numpy(head.bias).astype("float32")
    return kernel, bias
