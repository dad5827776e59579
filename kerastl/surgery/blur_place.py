"""Finds the call behind which a blur goes."""

import keras

from kerastl.surgery.downsampling import MAX_POOLING
from kerastl.surgery.pointwise import NON_LINEAR
from kerastl.surgery.pointwise import pointwise_effect


def blur_place(graph, node, found):
    """The call behind which a blur goes, and whether it is an activation.

    It is the last activation of the unbranched chain of pixel-wise calls that
    starts with `node`: a blur before the non-linearity would be no more than
    a blurred stride. Without an activation it is `node` itself, and so it is
    for a max pooling, which is not linear.
    """
    if found.kind == MAX_POOLING:
        return node, True
    place, non_linear = node, _has_activation(node.operation)
    last = node
    while True:
        tensor = last.outputs[0]
        readers = graph.readers(tensor)
        if len(readers) != 1 or graph.is_output(tensor):
            return place, non_linear
        last = readers[0]
        effect = pointwise_effect(last)
        if effect is None:
            return place, non_linear
        if effect == NON_LINEAR:
            place, non_linear = last, True


def _has_activation(layer):
    activation = getattr(layer, "activation", None)
    return activation not in (None, keras.activations.linear)
