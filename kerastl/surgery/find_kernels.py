"""The kernels of a network that pruning and clustering work on."""

import dataclasses

import keras
from keras import layers

from kerastl.arguments import as_names
from kerastl.arguments import nearest_hint
from kerastl.layers.kernel_blur import KernelBlur
from kerastl.surgery.graph import hidden_layers
from kerastl.surgery.layer_paths import layers_named

_CONVOLUTIONS = (layers.Conv1D, layers.Conv2D, layers.Conv3D, layers.Dense)
_TRANSPOSED = (
    layers.Conv1DTranspose,
    layers.Conv2DTranspose,
    layers.Conv3DTranspose,
)
_SEPARABLE = (layers.SeparableConv1D, layers.SeparableConv2D)
_DEPTHWISE = (layers.DepthwiseConv1D, layers.DepthwiseConv2D)


@dataclasses.dataclass(frozen=True)
class Kernel:
    """One kernel of a network.

    Attributes:
        layer: the layer that it belongs to.
        variable: its weight.
        input_axis: axis of the channels that are summed over; `None` in a
            depthwise kernel, which sums over none.
    """

    layer: keras.Layer
    variable: keras.Variable
    input_axis: int | None

    def numpy(self):
        """The weights, as an array."""
        return keras.ops.convert_to_numpy(self.variable)


def find_kernels(model, names=None, depthwise=False) -> list[Kernel]:
    """Lists the kernels of convolutions and dense layers, nested ones too.

    Depthwise kernels hold few of the weights and suffer most, so they are
    left out unless they are asked for. Kernels that carry a blur are left out
    in any case: what is written of them is the product with the blur, which
    has neither zeros nor few values.

    Args:
        model: a built `keras.Model`.
        names: names of the layers to take, at any depth: every layer of a
            name, or the one with that path (`"backbone/Conv1"`). `None` takes
            all.
        depthwise: whether depthwise kernels are taken where `names` does not
            say.

    Returns:
        A list of `Kernel`.

    Raises:
        ValueError: if there is none, or no layer with one has a given name.
    """
    found = {}
    for layer in hidden_layers(model):
        for kernel in _kernels(layer, depthwise or names is not None):
            # A layer may be reached on several ways.
            found.setdefault(id(kernel.variable), kernel)
    kernels = list(found.values())
    if names is not None:
        names = as_names(names)
        known = {id(kernel.layer): kernel.layer.name for kernel in kernels}
        chosen = set()
        for name in names:
            named = {id(layer) for layer in layers_named(model, name)}
            if not named & known.keys():
                raise ValueError(
                    "No layer with a kernel has that name, or its kernel "
                    "carries a blur and cannot be pruned or clustered."
                    f"{nearest_hint(name, known.values())} "
                    f"Received: layers={names}"
                )
            chosen |= named
        kernels = [each for each in kernels if id(each.layer) in chosen]
    if not kernels:
        raise ValueError(
            "The model has no kernels of convolutions or dense layers that "
            f"are built. Received: model={model.name!r}"
        )
    return kernels


def _kernels(layer, depthwise):
    if not layer.built:
        return []
    blurred = isinstance(layer, KernelBlur)
    if blurred and not isinstance(layer, _SEPARABLE):
        return []
    if isinstance(layer, _CONVOLUTIONS):
        return [Kernel(layer, layer.kernel, -2)]
    if isinstance(layer, _TRANSPOSED):
        return [Kernel(layer, layer.kernel, -1)]
    if isinstance(layer, _SEPARABLE):
        first = [Kernel(layer, layer.depthwise_kernel, None)]
        return [
            *(first if depthwise and not blurred else []),
            Kernel(layer, layer.pointwise_kernel, -2),
        ]
    if depthwise and isinstance(layer, _DEPTHWISE):
        return [Kernel(layer, layer.kernel, None)]
    return []
