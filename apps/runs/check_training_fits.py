"""Whether a network can be trained at a size at all."""

import math

import keras

from kerastl.apps.data.check_memory import check_memory
from kerastl.layers.sum_of_shifts import has_accelerator


def check_training_fits(network, recipe, image_size, batch_size):
    """Raises an error if a step takes more memory than the machine has.

    A lower bound: what the layers with weights read has to be kept until the
    gradients of their kernels are made. Where only the head is trained, or
    nothing, it is the largest of these tensors alone. On an accelerator,
    whose memory is its own, nothing is estimated.

    Args:
        network: The network, built.
        recipe: The `apps.Recipe` that trains it.
        image_size: Height and width, for the message.
        batch_size: Images in a batch.

    Raises:
        ValueError: If the machine has less memory.
    """
    if has_accelerator():
        return
    sizes = [
        math.prod(tensor.shape[1:]) * _bytes(layer)
        for layer in network.layers
        if layer.weights
        for tensor in keras.tree.flatten(layer.input)
        if None not in tensor.shape[1:]
    ]
    kept = recipe.trains and recipe.trainable != "head"
    count = sum(sizes) if kept else max(sizes, default=0)
    check_memory(
        batch_size * count,
        "Training at this size",
        image_size=image_size,
        batch_size=batch_size,
    )


def _bytes(layer):
    return 2 if layer.compute_dtype.endswith("16") else 4
