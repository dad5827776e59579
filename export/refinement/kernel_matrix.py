"""Convolutions and dense layers as products of matrices."""

import math

import keras
import numpy as np
from keras import layers

# A small kernel has few values by nature.
_MOST_VALUES = 64
# Positions of one map that are looked at, spread over it.
_MOST_POSITIONS = 100


class KernelMatrix:
    """A kernel as one matrix for each group of channels.

    A convolution multiplies what lies below its kernel with a matrix; one
    with groups has a matrix for each, and a depthwise one is a convolution
    with a group for each channel.

    Args:
        layer: A built `Conv2D`, `DepthwiseConv2D` or `Dense`.

    Attributes:
        num_groups: Number of matrices.
        num_outputs: Output channels of one group.
        num_inputs: Values that one output channel sums.
    """

    def __init__(self, layer):
        self.layer = layer
        self._shape = tuple(layer.kernel.shape)
        self._dense = isinstance(layer, layers.Dense)
        self._depthwise = isinstance(layer, layers.DepthwiseConv2D)
        if self._dense:
            self._size, channels = (), self._shape[0]
            self.num_groups, self.num_outputs = 1, self._shape[1]
        elif self._depthwise:
            *self._size, channels, self.num_outputs = self._shape
            self.num_groups = channels
            channels = 1
        else:
            *self._size, channels, outputs = self._shape
            self.num_groups = layer.groups
            self.num_outputs = outputs // layer.groups
        self._channels = channels
        self.num_inputs = math.prod(self._size) * channels

    def read(self):
        """Returns the kernel as `(groups, outputs, inputs)`, float64."""
        kernel = keras.ops.convert_to_numpy(self.layer.kernel)
        return self.to_matrices(kernel.astype("float64"))

    def write(self, matrices):
        """Puts matrices into the layer."""
        self.layer.kernel.assign(self.to_kernel(matrices).astype("float32"))

    def to_matrices(self, kernel):
        if self._depthwise:
            kernel = kernel.reshape(-1, self.num_groups, self.num_outputs)
            return kernel.transpose(1, 2, 0)
        kernel = kernel.reshape(
            self.num_inputs, self.num_groups, self.num_outputs
        )
        return kernel.transpose(1, 2, 0)

    def to_kernel(self, matrices):
        """The inverse of `to_matrices`."""
        return matrices.transpose(2, 0, 1).reshape(self._shape)

    def to_channels(self, values):
        """From `(groups, outputs)` to one value an output channel."""
        return values.reshape(-1)

    def windows(self, inputs, offset=0, padding=0):
        """Returns what the kernel lies on, `(groups, rows, inputs)`.

        Of large maps some positions are taken, at equal distances.

        Args:
            inputs: Array, a batch of what the layer reads.
            offset: Moves the positions; other batches take other ones.
            padding: What lies beyond the border.
        """
        if self._dense:
            return inputs.reshape(1, -1, self.num_inputs)
        rows = self._patches(inputs, offset, padding)
        rows = rows.reshape(
            -1, math.prod(self._size), self.num_groups, self._channels
        )
        rows = rows.transpose(2, 0, 1, 3)
        return rows.reshape(self.num_groups, -1, self.num_inputs)

    def _patches(self, x, offset, padding):
        rows, columns = self._starts(x.shape[1:3], offset)
        taken = []
        for down in range(self._size[0]):
            for right in range(self._size[1]):
                row = rows + down * self.layer.dilation_rate[0]
                column = columns + right * self.layer.dilation_rate[1]
                outside = _outside(row, x.shape[1])[:, None] | _outside(
                    column, x.shape[2]
                )
                part = x[
                    :,
                    np.clip(row, 0, x.shape[1] - 1)[:, None],
                    np.clip(column, 0, x.shape[2] - 1),
                ]
                part[:, outside] = padding
                taken.append(part)
        return np.stack(taken, axis=3)

    def _starts(self, sizes, offset):
        """First row and column of the windows that are taken."""
        layer = self.layer
        numbers, firsts = [], []
        for axis, size in enumerate(sizes):
            extent = (self._size[axis] - 1) * layer.dilation_rate[axis] + 1
            stride = layer.strides[axis]
            if layer.padding == "same":
                number = -(-size // stride)
                padded = max((number - 1) * stride + extent - size, 0)
                firsts.append(-(padded // 2))
            else:
                number = (size - extent) // stride + 1
                firsts.append(0)
            numbers.append(number)
        every = max(1, round(math.sqrt(math.prod(numbers) / _MOST_POSITIONS)))
        for axis, number in enumerate(numbers):
            # Not in step, so that all rows meet all columns.
            begin = offset * (1 + axis) % min(every, number)
            yield (
                firsts[axis]
                + np.arange(begin, number, every) * layer.strides[axis]
            )


def is_clustered(kernel):
    """Whether the weights of a kernel share few values."""
    return kernel.size > 2 * _MOST_VALUES and (
        len(np.unique(kernel)) <= _MOST_VALUES
    )


def _outside(places, size):
    return (places < 0) | (places >= size)
