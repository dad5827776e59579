"""Convolutions and dense layers as products of matrices."""

import math

import keras
import numpy as np
from keras import layers

# Positions of one map that are looked at, spread over it.
_MOST_POSITIONS = 256


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

    def windows(self, inputs, offset=0):
        """Returns what the kernel lies on, `(groups, rows, inputs)`.

        Of large maps some positions are taken, at equal distances.

        Args:
            inputs: float32 array, a batch of what the layer reads.
            offset: Moves the positions; other batches take other ones.
        """
        if self._dense:
            return inputs.reshape(1, -1, self.num_inputs)
        rows = self._patches(inputs, offset)
        rows = rows.reshape(
            -1, math.prod(self._size), self.num_groups, self._channels
        )
        rows = rows.transpose(2, 0, 1, 3)
        return rows.reshape(self.num_groups, -1, self.num_inputs)

    def _patches(self, x, offset):
        layer = self.layer
        dilation, strides = layer.dilation_rate, layer.strides
        extents = [
            (size - 1) * rate + 1
            for size, rate in zip(self._size, dilation, strict=True)
        ]
        if layer.padding == "same":
            pads = [(0, 0)]
            for size, extent, stride in zip(
                x.shape[1:3], extents, strides, strict=True
            ):
                total = max(
                    (-(-size // stride) - 1) * stride + extent - size, 0
                )
                pads.append((total // 2, total - total // 2))
            x = np.pad(x, [*pads, (0, 0)])
        outputs = [
            (size - extent) // stride + 1
            for size, extent, stride in zip(
                x.shape[1:3], extents, strides, strict=True
            )
        ]
        every = max(1, round(math.sqrt(math.prod(outputs) / _MOST_POSITIONS)))
        starts = [
            np.arange((offset * (1 + axis)) % every, number, every) * stride
            if number > every
            else np.arange(number) * stride
            for axis, (number, stride) in enumerate(
                zip(outputs, strides, strict=True)
            )
        ]
        taken = [
            x[
                :,
                (starts[0] + row * dilation[0])[:, None],
                starts[1] + column * dilation[1],
            ]
            for row in range(self._size[0])
            for column in range(self._size[1])
        ]
        return np.stack(taken, axis=3)
