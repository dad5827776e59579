"""A depthwise convolution as a sum of shifted maps.

It is faster where XLA compiles for a CPU.
"""

import contextlib

import keras
from keras import ops


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


@keras.saving.register_keras_serializable(package="kerastl")
class ShiftedDepthwiseConv2D(keras.layers.DepthwiseConv2D):
    """A depthwise convolution that may add up shifted maps instead.

    Same arguments, weights and numbers as Keras's layer. On CPU, XLA turns a
    depthwise convolution into a dense one, as many times the work as there are
    channels. With `shifts` set, the layer computes the same as a sum of shifted
    maps, which XLA fuses; without XLA that would be slower, so it is for
    whoever compiles the model to set.
    `FineTuner` does so for its source on a machine without an accelerator.

    Maps of unknown size, channels first, dilation and a depth multiplier are
    left to Keras.

    Args:
        kernel_size: as in `keras.layers.DepthwiseConv2D`.
        **kwargs: as in `keras.layers.DepthwiseConv2D`.

    Example:

    >>> layer = ShiftedDepthwiseConv2D(3, padding="same")
    >>> layer.shifts = True
    """

    shifts = False

    def call(self, inputs):
        if not (
            self.shifts
            and self.data_format == "channels_last"
            and self.depth_multiplier == 1
            and tuple(self.dilation_rate) == (1, 1)
            and None not in inputs.shape[1:3]
        ):
            return super().call(inputs)
        outputs = self._sum_of_shifts(inputs)
        if self.use_bias:
            outputs = outputs + self.bias
        return self.activation(outputs)

    def _sum_of_shifts(self, inputs):
        _, height, width, _ = self.compute_output_shape(inputs.shape)
        sizes = (height, width)
        spans = [
            (size - 1) * stride + window
            for size, stride, window in zip(
                sizes, self.strides, self.kernel_size, strict=True
            )
        ]
        border = [(0, 0)]
        for size, span in zip(inputs.shape[1:3], spans, strict=True):
            # Nothing to add where the windows leave the last pixels out.
            missing = max(span - size, 0)
            border.append((missing // 2, missing - missing // 2))
        x = ops.pad(inputs, [*border, (0, 0)])
        kernel = ops.cast(self.kernel[..., 0], x.dtype)
        return sum_of_shifts(x, kernel, self.strides, sizes)
