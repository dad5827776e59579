"""How sparse and how clustered the kernels of a model are."""

import numpy as np

from kerastl.surgery.find_kernels import find_kernels

_FEWEST_ZEROS = 0.1
_MOST_VALUES = 64


def measure_compression(model):
    """Measures what pruning and clustering left in the kernels of a model.

    Args:
        model: A Keras model.

    Returns:
        The share of the weights that are zero, `None` if they are fewer than
        a pruned network has; and the number of values that a kernel has at
        most, `None` if the kernels are not clustered.

    Example:

    ```python
    zeros, values = measure_compression(model)
    ```
    """
    try:
        kernels = [kernel.numpy() for kernel in find_kernels(model)]
    except ValueError:  # a model without kernels
        return None, None
    size = sum(kernel.size for kernel in kernels)
    zeros = float(sum(np.sum(kernel == 0) for kernel in kernels) / size)
    # A small kernel has few values by nature.
    numbers = [
        len(np.unique(kernel))
        for kernel in kernels
        if kernel.size > 2 * _MOST_VALUES
    ]
    values = max(numbers, default=None)
    return (
        zeros if zeros >= _FEWEST_ZEROS else None,
        values if values is not None and values <= _MOST_VALUES else None,
    )
