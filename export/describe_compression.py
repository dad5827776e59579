"""What pruning and clustering did to the weights of a model."""

import numpy as np

from kerastl.surgery.find_kernels import find_kernels

_FEWEST_ZEROS = 0.1
_MOST_VALUES = 64


def describe_compression(model):
    """Says in sentences how sparse and how clustered the kernels are.

    Args:
        model: The model that is written.

    Returns:
        List of sentences, empty for a model that is neither.
    """
    try:
        kernels = [kernel.numpy() for kernel in find_kernels(model)]
    except ValueError:  # a model without kernels
        return []
    size = sum(kernel.size for kernel in kernels)
    zeros = sum(np.sum(kernel == 0) for kernel in kernels) / size
    notes = []
    if zeros >= _FEWEST_ZEROS:
        notes.append(f"Pruned: {100 * zeros:.0f} % of the weights are zero.")
    numbers = [len(np.unique(kernel)) for kernel in kernels]
    # A small kernel has few values by nature.
    clustered = [
        number
        for number, kernel in zip(numbers, kernels, strict=True)
        if kernel.size > 2 * _MOST_VALUES
    ]
    if clustered and max(clustered) <= _MOST_VALUES:
        notes.append(
            f"Clustered: a kernel has at most {max(clustered)} values."
        )
    if notes:
        notes.append(
            "That makes the file smaller when it is zipped. On the device it "
            "takes as much memory and time as before: only channels that are "
            "gone are faster (`kerastl.surgery.prune_channels`)."
        )
    return notes
