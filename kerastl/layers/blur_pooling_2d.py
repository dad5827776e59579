"""Anti-aliased down-sampling with a fixed binomial filter."""

from collections.abc import Sequence
from typing import Any
from typing import Literal

import keras
import numpy as np
from keras import ops

from kerastl.arguments import checked_pair
from kerastl.layers import blur_grid
from kerastl.layers.sum_of_shifts import sum_of_shifts
from kerastl.types import Shape
from kerastl.types import Tensor

BORDERS = ("reflect", "edge", "zeros")
MAX_KERNEL_SIZE = 7


@keras.saving.register_keras_serializable(package="kerastl")
class BlurPooling2D(keras.layers.Layer):
    """Blurs a feature map with a binomial filter and keeps every n-th pixel.

    A stride folds whatever varies faster than the new grid can hold into
    something else (aliasing), so that the output changes when the input is
    shifted by one pixel. This layer low-passes before it subsamples: each
    channel is filtered with the outer product of a row of Pascal's triangle,
    normalised to sum 1 (three taps are 1 2 1). It has no weights.

    By default output `i` is centred on input pixel `strides * i` for an odd
    `kernel_size` and on `strides * i + 0.5` for an even one, and there are
    `ceil(size / strides)` outputs. `window_size` and `window_padding` keep the
    sampling grid of a strided pooling or convolution instead: the layer then
    has the output size of that window, and with an odd `kernel_size` and an
    odd window, or an even and an even one, the same centres. With
    `kernel_size=1` it is the bare subsampling of that window.

    To blur a pooling's or convolution's own dense output, made with strides 1
    and the padding kept: pass its window when it pads `"same"`, because then
    the dense and the strided map start at different pixels, and leave
    `window_size=1` when it is `"valid"`.

    Args:
        kernel_size: taps of the filter, 1 to 7; an int or a pair (vertical,
            horizontal).
        strides: keep one pixel in so many; an int or a pair.
        padding: how the border is continued: `"reflect"` (mirrored, the border
            pixel not repeated), `"edge"` (the border pixel repeated) or
            `"zeros"`.
        window_size: window whose sampling grid is kept; an int or a pair.
        window_padding: `"valid"` or `"same"`: that window's Keras padding.
        data_format: `"channels_last"` or `"channels_first"`. Defaults to
            `keras.config.image_data_format()`.
        **kwargs: `name`, `dtype` and so on.

    Input shape:
        `(batch, height, width, channels)`, or
        `(batch, channels, height, width)` with `"channels_first"`. Height and
        width may be `None`.

    Output shape:
        As the input, with `ceil(size / strides)` pixels for `"same"` and
        `floor((size - window_size) / strides) + 1` for `"valid"`.

    Raises:
        ValueError: if an argument is out of range, or if the map is too small
            for the window or to be reflected.

    Example:

    >>> x = np.arange(8.0).reshape(1, 1, 8, 1) ** 2
    >>> blur = kerastl.layers.BlurPooling2D(kernel_size=(1, 3), strides=(1, 2))
    >>> np.squeeze(blur(x))
    array([ 0.5,  4.5, 16.5, 36.5], dtype=float32)

    Reference:

    - Zhang, "Making Convolutional Networks Shift-Invariant Again", ICML 2019,
      section 3 (arXiv 1904.11486).
    """

    #: Whether shifted maps are summed, see `sum_of_shifts`.
    shifts = False

    def __init__(
        self,
        kernel_size: int | Sequence[int] = 3,
        strides: int | Sequence[int] = 2,
        padding: Literal["reflect", "edge", "zeros"] = "reflect",
        window_size: int | Sequence[int] = 1,
        window_padding: Literal["valid", "same"] = "valid",
        data_format: Literal["channels_last", "channels_first"] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.kernel_size = checked_pair(
            "kernel_size", kernel_size, MAX_KERNEL_SIZE
        )
        self.strides = checked_pair("strides", strides)
        self.padding = _choice("padding", padding, BORDERS)
        self.window_size = checked_pair("window_size", window_size)
        self.window_padding = _choice(
            "window_padding", window_padding, ("valid", "same")
        )
        self.data_format = _choice(
            "data_format",
            data_format or keras.config.image_data_format(),
            ("channels_last", "channels_first"),
        )
        self._spatial_axes = (
            (1, 2) if self.data_format == "channels_last" else (2, 3)
        )
        self.input_spec = keras.layers.InputSpec(ndim=4)
        rows, columns = (blur_grid.binomial(k) for k in self.kernel_size)
        self._kernel = np.outer(rows, columns)

    def build(self, input_shape: Shape) -> None:
        # Says at once when the map is too small.
        self.compute_output_shape(input_shape)

    def call(self, inputs: Tensor) -> Tensor:
        x = inputs
        for i, axis in enumerate(self._spatial_axes):
            x = self._pad(x, i, axis)
        if self.shifts and self._has_static_map(inputs):
            _, height, width, _ = self.compute_output_shape(inputs.shape)
            kernel = ops.cast(self._kernel[:, :, None], x.dtype)
            return sum_of_shifts(x, kernel, self.strides, (height, width))
        channel_axis = -1 if self.data_format == "channels_last" else 1
        channels = x.shape[channel_axis]
        kernel = np.broadcast_to(
            self._kernel[:, :, None, None], (*self.kernel_size, channels, 1)
        )
        kernel = ops.convert_to_tensor(kernel, dtype=self.compute_dtype)
        # TensorFlow's own kernel on a CPU knows equal strides only.
        alike = len(set(self.strides)) == 1
        x = ops.depthwise_conv(
            x,
            kernel,
            strides=self.strides if alike else 1,
            padding="valid",
            data_format=self.data_format,
        )
        if alike:
            return x
        skips = [slice(None)] * 4
        for axis, stride in zip(self._spatial_axes, self.strides, strict=True):
            skips[axis] = slice(None, None, stride)
        return x[tuple(skips)]

    def _has_static_map(self, inputs):
        return (
            self.data_format == "channels_last"
            and None not in (inputs.shape[1:3])
        )

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        output_shape = list(input_shape)
        for i, axis in enumerate(self._spatial_axes):
            size = input_shape[axis]
            if size is None:
                continue
            self._static_padding(size, i)
            output_shape[axis] = blur_grid.output_size(
                size, self.strides[i], self.window_size[i], self.window_padding
            )
        return tuple(output_shape)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "kernel_size": self.kernel_size,
            "strides": self.strides,
            "padding": self.padding,
            "window_size": self.window_size,
            "window_padding": self.window_padding,
            "data_format": self.data_format,
        }

    def _pad(self, x, i, axis):
        size = x.shape[axis]
        if size is not None:
            before, after = self._static_padding(size, i)
            return self._add_border(x, axis, before, after)
        taps, window = self.kernel_size[i], self.window_size[i]
        before = (taps - 1) // 2
        if self.window_padding == "valid":
            before -= blur_grid.window_offset(window, 0)
            return self._add_border(x, axis, before, taps - window - before)
        x = self._add_border(x, axis, before, taps - 1 - before)
        return _slice(x, axis, self._dynamic_offset(x, i, axis), None)

    def _static_padding(self, size, i):
        before, after = blur_grid.blur_padding(
            size,
            self.kernel_size[i],
            self.strides[i],
            self.window_size[i],
            self.window_padding,
        )
        if self.window_padding == "valid" and size < self.window_size[i]:
            raise ValueError(
                f"Layer {self.name} keeps the grid of a window that does not "
                "fit in its input. Use a larger input. Received: "
                f"size={size}, window_size={self.window_size[i]}"
            )
        if self.padding == "reflect" and not blur_grid.reflects(
            size, before, after
        ):
            raise ValueError(
                f"Layer {self.name} cannot reflect {size} pixel(s) to pad "
                f"{max(before, after)} more: the map is too small for "
                f"{self.kernel_size[i]} taps. Use padding='edge', fewer taps "
                "or a larger input. Received: "
                f"size={size}, kernel_size={self.kernel_size}, "
                f"padding={self.padding!r}"
            )
        return before, after

    def _dynamic_offset(self, x, i, axis):
        """First centre of a `"same"` window where the size is not known."""
        size = ops.shape(x)[axis] - (self.kernel_size[i] - 1)
        strides, window = self.strides[i], self.window_size[i]
        total = -(-size // strides) * strides - strides + window - size
        return blur_grid.window_offset(window, ops.maximum(total, 0) // 2)

    def _add_border(self, x, axis, before, after):
        """Pads an axis, or crops it where a number is negative.

        Mirroring is written as slices and one concatenation: the pixels of
        `ops.pad(mode="reflect")` exactly, but TensorFlow Lite has no delegated
        kernel for MIRROR_PAD, which splits an exported network at every blur.
        """
        x = _slice(x, axis, max(-before, 0), -max(-after, 0) or None)
        before, after = max(before, 0), max(after, 0)
        if before == after == 0:
            return x
        if self.padding == "zeros":
            widths = [(0, 0)] * 4
            widths[axis] = (before, after)
            return ops.pad(x, widths)
        if self.padding == "reflect":
            head = [_pixel(x, axis, i) for i in range(before, 0, -1)]
            tail = [_pixel(x, axis, -2 - i) for i in range(after)]
        else:
            head = [_pixel(x, axis, 0)] * before
            tail = [_pixel(x, axis, -1)] * after
        return ops.concatenate([*head, x, *tail], axis=axis)


def _slice(x, axis, start, stop):
    if isinstance(start, int) and start == 0 and stop is None:
        return x
    index = [slice(None)] * 4
    index[axis] = slice(start, stop)
    return x[tuple(index)]


def _pixel(x, axis, i):
    return _slice(x, axis, i, i + 1 or None)


def _choice(name, value, choices):
    if value not in choices:
        raise ValueError(
            f"`{name}` must be one of {list(choices)}. "
            f"Received: {name}={value!r}"
        )
    return value
