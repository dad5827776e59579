"""A depthwise convolution as a sum of shifted maps."""

import contextlib


@contextlib.contextmanager
def summing_shifts(layers):
    """Lets layers that can (`layer.shifts`) sum shifted maps inside the block.

    What is traced in the block keeps the choice; what is traced after it, such
    as an exported graph, has the operation that is made for it again.
    """
    for layer in layers:
        layer.shifts = True
    try:
        yield
    finally:
        for layer in layers:
            layer.shifts = False


def sum_of_shifts(x, kernel, strides, output_size):
    """Depthwise convolution of a padded map, a product and sum for each tap.

    The numbers of `ops.depthwise_conv(padding="valid")`. On CPU, XLA turns
    that operation into a dense convolution, as many times the work as there
    are channels; the sum it fuses. Without XLA the sum is the slower one.

    Args:
        x: Map `(batch, height, width, channels)`, its border already added.
        kernel: Taps `(rows, columns, channels)`, or `(rows, columns, 1)` where
            all channels have the same.
        strides: Pair of strides.
        output_size: Height and width of the result.

    Returns:
        The map `(batch, *output_size, channels)`.
    """
    terms = []
    for row in range(kernel.shape[0]):
        for column in range(kernel.shape[1]):
            rows, columns = (
                slice(offset, offset + (size - 1) * stride + 1, stride)
                for offset, size, stride in zip(
                    (row, column), output_size, strides, strict=True
                )
            )
            terms.append(x[:, rows, columns] * kernel[row, column])
    return sum(terms)
