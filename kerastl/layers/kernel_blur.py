"""A blur inside the kernel of a strided convolution."""

from collections.abc import Sequence
from typing import TYPE_CHECKING
from typing import Any
from typing import Literal

import numpy as np
from keras import ops

from kerastl.arguments import checked_pair
from kerastl.layers import blur_grid
from kerastl.layers.blur_pooling_2d import MAX_KERNEL_SIZE
from kerastl.types import Shape
from kerastl.types import Tensor

if TYPE_CHECKING:
    # What it is put before.
    from keras.layers import Conv2D as _Convolution
else:
    _Convolution = object


class KernelBlur(_Convolution):
    """Mixin for a strided Keras convolution that blurs before it skips.

    A blur behind a dense convolution, of which every n-th pixel is kept, is
    one strided convolution with a larger kernel: the kernel convolved with
    the blur. It is computed on the weights at every call, which is small
    beside the maps, so that the weights that are learned, saved and held to
    a source are those of the plain layer.

    Beyond its border the map is continued by zeros, and the outputs there are
    those of the dense convolution over that map. No output is changed
    by a border rule of its own, so the answer is exact on every pixel.

    A class puts this before its Keras layer, and computes its linear part in
    `convolve`.

    Args:
        *args: As in the Keras layer.
        blur_size: Taps of the binomial blur, 1 to 7; an int or a pair
            (vertical, horizontal).
        zero_padding: Rows and columns of zeros that a `ZeroPadding2D` before
            the plain layer added, `((top, bottom), (left, right))`. For
            `padding="valid"`.
        **kwargs: As in the Keras layer.

    Input and output shape: as in the Keras layer, behind that padding.

    Raises:
        ValueError: If an argument is out of range, the layer is dilated, or
            it pads `"same"` in a way that depends on a size that is not known.

    Reference:

    - Vasconcelos et al., "Impact of Aliasing on Generalization in Deep
      Convolutional Networks", ICCV 2021, section 3 (arXiv 2108.03489).
    """

    def __init__(
        self,
        *args: Any,
        blur_size: int | Sequence[int] = 3,
        zero_padding: Sequence[Sequence[int]] = ((0, 0), (0, 0)),
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.blur_size = checked_pair("blur_size", blur_size, MAX_KERNEL_SIZE)
        self.zero_padding = _checked_widths(zero_padding)
        if max(self.dilation_rate) > 1:
            raise ValueError(
                f"Layer {self.name} is dilated: its kernel has gaps that a "
                "blur would fill. Use dilation_rate=1. "
                f"Received: dilation_rate={self.dilation_rate}"
            )
        if self.padding == "same" and np.any(self.zero_padding):
            raise ValueError(
                f"Layer {self.name} pads its map already. Use padding='valid' "
                "with zero_padding. Received: padding='same', "
                f"zero_padding={self.zero_padding}"
            )
        self._spread = np.kron(*map(_spread, self.kernel_size, self.blur_size))

    @property
    def blurred_size(self) -> tuple[int, int]:
        """Rows and columns of the larger kernel."""
        return tuple(
            window + taps - 1
            for window, taps in zip(
                self.kernel_size, self.blur_size, strict=True
            )
        )

    def build(self, input_shape: Shape) -> None:
        super().build(input_shape)
        # Says at once when its border cannot be known.
        self.placement(input_shape)

    def call(self, inputs: Tensor) -> Tensor:
        outputs = self.convolve(inputs)
        if self.use_bias:
            shape = [1] * 4
            shape[self._channel_axis] = -1
            outputs = ops.add(outputs, ops.reshape(self.bias, shape))
        return self.activation(outputs)

    def convolve(self, inputs: Tensor) -> Tensor:
        """The layer without bias and activation."""
        raise NotImplementedError

    def blurred(self, kernel: Tensor) -> Tensor:
        """A kernel `(rows, columns, ...)` convolved with the blur."""
        spread = ops.convert_to_tensor(self._spread, dtype=kernel.dtype)
        return self._larger(kernel, spread, ops)

    def larger_kernel(self) -> np.ndarray:
        """The kernel convolved with the blur, as a float64 array."""
        kernel = ops.convert_to_numpy(self.weights[0]).astype("float64")
        return self._larger(kernel, self._spread, np)

    def lay(
        self, inputs: Tensor, explicit: bool = False
    ) -> tuple[Tensor, Literal["same", "valid"]]:
        """The map with what the larger kernel needs around it.

        Args:
            inputs: The map.
            explicit: Whether all zeros are added, where the convolution
                could do so by itself.

        Returns:
            The map and the padding of the convolution, "same" or "valid".
        """
        padding, widths = self.placement(inputs.shape, explicit)
        if padding == "same" or not np.any(widths):
            return inputs, padding
        border = [(0, 0)] * 4
        for axis, width in zip(self._spatial_axes, widths, strict=True):
            border[axis] = width
        return ops.pad(inputs, border), padding

    def placement(
        self, input_shape: Shape, explicit: bool = False
    ) -> tuple[Literal["same", "valid"], tuple[tuple[int, int], ...]]:
        """How the larger kernel is laid on a map.

        Args:
            input_shape: Shape of the map.
            explicit: Whether all zeros are counted.

        Returns:
            `(padding, widths)`: the padding of the convolution, and the zeros
            to add before it, `((top, bottom), (left, right))`.
        """
        sizes = [input_shape[axis] for axis in self._spatial_axes]
        axes = [*zip(sizes, *self._windows(), strict=True)]
        if not explicit and all(self._pads_itself(*axis) for axis in axes):
            return "same", ((0, 0), (0, 0))
        return "valid", tuple(self._widths(*axis) for axis in axes)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return super().compute_output_shape(
            self._padded(input_shape, self.zero_padding)
        )

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "blur_size": self.blur_size,
            "zero_padding": self.zero_padding,
        }

    @property
    def _spatial_axes(self):
        return (1, 2) if self.data_format == "channels_last" else (2, 3)

    @property
    def _channel_axis(self):
        return 3 if self.data_format == "channels_last" else 1

    def _larger(self, kernel, spread, functions):
        flat = functions.reshape(kernel, (spread.shape[1], -1))
        larger = functions.matmul(spread, flat)
        return functions.reshape(
            larger, (*self.blurred_size, *kernel.shape[2:])
        )

    def _padded(self, input_shape, widths):
        shape = list(input_shape)
        for axis, (before, after) in zip(
            self._spatial_axes, widths, strict=True
        ):
            if shape[axis] is not None:
                shape[axis] += before + after
        return tuple(shape)

    def _windows(self):
        return (
            self.kernel_size,
            self.strides,
            self.blur_size,
            self.zero_padding,
        )

    def _pads_itself(self, size, window, stride, taps, zeros):
        """Whether `padding="same"` adds the zeros that are needed."""
        if size is None:
            # Both kernels then pad the same number, whatever the size.
            return self.padding == "same" and taps % 2 and window >= stride
        kept = blur_grid.output_size(
            size + sum(zeros), stride, window, self.padding
        )
        before, _ = self._widths(size, window, stride, taps, zeros)
        larger = window + taps - 1
        return kept == blur_grid.output_size(
            size, stride, larger, "same"
        ) and before == blur_grid.left_padding(size, larger, stride)

    def _widths(self, size, window, stride, taps, zeros):
        """Zeros to add on both sides of an axis."""
        before, after = zeros
        if self.padding == "same":
            if size is None:
                raise ValueError(
                    f"Layer {self.name} pads 'same', and how much depends on "
                    "the size of its map, which is not known. Give the model "
                    "an input size. Received: "
                    f"kernel_size={self.kernel_size}, strides={self.strides}, "
                    f"blur_size={self.blur_size}"
                )
            outputs = blur_grid.output_size(size, stride, window, "same")
            before = blur_grid.left_padding(size, window, stride)
            after = max((outputs - 1) * stride + window - size - before, 0)
        return before + (taps - 1) // 2, after + taps // 2


def _spread(window, taps):
    """The matrix `(window + taps - 1, window)` that blurs one axis."""
    matrix = np.zeros((window + taps - 1, window))
    for column in range(window):
        matrix[column : column + taps, column] = blur_grid.binomial(taps)
    return matrix


def _checked_widths(value):
    widths = np.asarray(value)
    if widths.shape != (2, 2) or widths.dtype.kind != "i" or widths.min() < 0:
        raise ValueError(
            "`zero_padding` must be ((top, bottom), (left, right)), integers "
            f"of at least 0. Received: zero_padding={value!r}"
        )
    return tuple(map(tuple, widths.tolist()))
