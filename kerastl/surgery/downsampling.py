"""Recognises the layers that lower the resolution of a feature map."""

import dataclasses
import math

import keras
from keras import layers

from kerastl.layers import BlurPooling2D
from kerastl.layers.kernel_blur import KernelBlur
from kerastl.surgery import graph as graphs

CONVOLUTION = "convolution"
MAX_POOLING = "max pooling"
AVERAGE_POOLING = "average pooling"

_CONVOLUTIONS = (
    layers.Conv2D,
    layers.DepthwiseConv2D,
    layers.SeparableConv2D,
)
# With strides 1 these lose a border at most, and a global pooling samples
# nothing: it reads every pixel.
_NO_SUBSAMPLING = (
    *_CONVOLUTIONS,
    layers.MaxPooling2D,
    layers.AveragePooling2D,
    layers.GlobalAveragePooling2D,
    layers.GlobalMaxPooling2D,
)
# A map that shrinks less than this is taken to have lost its border only.
_SHRINKS = 1.5


@dataclasses.dataclass(frozen=True)
class Downsampling:
    """A layer that moves a window over the map in steps.

    Attributes:
        kind: `"convolution"`, `"max pooling"` or `"average pooling"`.
        window: size of the window (vertical, horizontal).
        strides: its steps.
        padding: `"valid"` or `"same"`.
        data_format: `"channels_last"` or `"channels_first"`.
    """

    kind: str
    window: tuple[int, int]
    strides: tuple[int, int]
    padding: str
    data_format: str

    @property
    def is_subsampling(self) -> bool:
        """Whether it reads single pixels and leaves the others out."""
        return self.window == (1, 1)


def downsampling(layer) -> Downsampling | None:
    """Describes `layer` if it is a strided convolution or pooling.

    One that blurs before it skips is none: see `is_blur`.
    """
    if is_blur(layer):
        return None
    if isinstance(layer, _CONVOLUTIONS):
        kind, window = CONVOLUTION, layer.kernel_size
    elif isinstance(layer, layers.MaxPooling2D):
        kind, window = MAX_POOLING, layer.pool_size
    elif isinstance(layer, layers.AveragePooling2D):
        kind, window = AVERAGE_POOLING, layer.pool_size
    else:
        return None
    if max(layer.strides) == 1:
        return None
    return Downsampling(
        kind,
        tuple(window),
        tuple(layer.strides),
        layer.padding.lower(),
        layer.data_format,
    )


def is_blur(layer) -> bool:
    """Whether `layer` lowers the resolution without aliasing."""
    blurs = isinstance(layer, (BlurPooling2D, KernelBlur))
    return blurs and max(layer.strides) > 1


def hides_downsampling(layer) -> bool:
    """Whether a layer that cannot be looked into lowers the resolution."""
    return isinstance(layer, layers.Layer) and any(
        downsampling(hidden) for hidden in graphs.hidden_layers(layer)
    )


def spatial_size(tensor, data_format=None) -> tuple | None:
    """Height and width of a feature map; `None` where not known."""
    if len(tensor.shape) != 4:
        return None
    data_format = data_format or keras.config.image_data_format()
    if data_format == "channels_last":
        return tuple(tensor.shape[1:3])
    return tuple(tensor.shape[2:4])


def why_it_shrinks(node) -> str | None:
    """Explains a smaller output of a call that no other function here knows.

    Returns:
        A reason, or `None` if the call does not lower the resolution, or pools
        the whole map into one pixel.
    """
    operation = node.operation
    if len(node.inputs) != 1 or len(node.outputs) != 1:
        return None
    if isinstance(operation, _NO_SUBSAMPLING):
        return None
    data_format = getattr(operation, "data_format", None)
    before = spatial_size(node.inputs[0], data_format)
    after = spatial_size(node.outputs[0], data_format)
    if not before or not after or None in (*before, *after):
        return None
    if after == (1, 1) or math.prod(after) == 0:
        return None
    if all(b < _SHRINKS * a for b, a in zip(before, after, strict=True)):
        return None
    if isinstance(operation, (layers.Cropping2D, layers.CenterCrop)):
        return "cuts the border off, samples nothing"
    if not isinstance(operation, layers.Layer):
        return "an operation of keras.ops: use a Keras layer instead"
    return "kerastl knows no rewrite for this layer"
