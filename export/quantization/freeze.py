"""From a quantization-aware model to the graph that is converted."""

import dataclasses

import keras
import numpy as np
from keras import ops

from kerastl.export.quantization import node_kinds
from kerastl.export.quantization.fixed_layers import FixedBlur
from kerastl.export.quantization.fixed_layers import FixedKernel
from kerastl.export.quantization.fixed_layers import FixedRange
from kerastl.export.quantization.placement import affine_chain
from kerastl.export.quantization.placement import input_scales
from kerastl.export.quantization.placement import range_scale
from kerastl.export.quantization.quantized_activation import ActivationQuantizer
from kerastl.export.quantization.quantized_activation import apply_activation
from kerastl.export.runners.inference_model import is_augmentation
from kerastl.layers.kernel_blur import KernelBlur
from kerastl.surgery import graph as graphs
from kerastl.surgery.layer_paths import UniqueNames
from kerastl.surgery.rebuild import rebuild

_LEVELS = 127
# With an even number the offset of x / 127.5 - 1 is a whole number of levels.
_EVEN_LEVELS = 126


def with_fixed_kernels(lowered):
    """Returns the twin of a quantization-aware `Lowered` that is converted.

    Every kernel is a constant with known levels, BatchNormalization folded
    in: its factor scales the levels of a channel and leaves the integers. A
    normalization that follows no convolution, `Rescaling`, and arithmetic
    with constants become 1x1 depthwise convolutions, which are exact but for
    the rounding of their output.

    Raises:
        ValueError: If a quantizer has seen no data.
    """
    freezer = _Freezer(lowered.model)
    model = rebuild(lowered.model, call=freezer.call)
    notes = [*lowered.notes, "Trained quantization-aware, not calibrated."]
    return dataclasses.replace(
        lowered, model=model, kernels=freezer.kernels, notes=notes
    )


class _Freezer:
    def __init__(self, model):
        self.kernels = []
        self._names = UniqueNames(model)
        self._scales = input_scales(model)
        self._chains = {}
        self._folded = set()
        for graph, node in graphs.walk(model):
            kind = node_kinds.node_kind(node)
            if kind not in (node_kinds.KERNEL, node_kinds.AFFINE):
                continue
            if node.key not in self._folded:
                chain = affine_chain(graph, node)
                self._chains[node.key] = chain
                self._folded |= {affine.key for affine in chain}

    def call(self, node, layer, *args, **kwargs):
        kind = node_kinds.node_kind(node)
        operation = node.operation
        if kind == node_kinds.QUANTIZER:
            return self._round(operation, args[0])
        if node.key in self._folded:
            return _tensor(args, kwargs)
        if kind == node_kinds.KERNEL:
            return self._kernel(node, args[0])
        if kind == node_kinds.AFFINE:
            factors, offsets = node_kinds.affine_coefficients(node)
            return self._affine(
                self._names.inherit(operation.name),
                _tensor(args, kwargs),
                *self._fold(node, factors, offsets),
                self._scales.get(node.key),
            )
        if kind == node_kinds.BLUR:
            name = self._names.inherit(operation.name)
            blur = FixedBlur.from_config(
                {**operation.get_config(), "name": name}
            )
            self.kernels.append(blur.fixed_kernel(args[0].shape[-1]))
            return blur(args[0])
        if (
            isinstance(operation, keras.layers.AveragePooling2D)
            and operation.padding == "valid"
        ):
            return self._average(operation, args[0])
        if kind == node_kinds.ACTIVATION:
            name = node_kinds.activation_name(node)
            if name == "hard_sigmoid":
                return self._activate(
                    self._names.inherit(operation.name),
                    name,
                    args[0],
                    self._scales.get(node.key),
                )
        outputs = layer(*args, **kwargs)
        if kind == node_kinds.POOLING and not node_kinds.rescales(node):
            # Its integers have the scale of its input. A concatenation would
            # demand another one, which the converter refuses: a kernel of ones
            # goes from the one to the other.
            return self._affine(
                self._names.new(f"{operation.name}_rescaled"),
                outputs,
                np.ones(1),
                np.zeros(1),
                self._scales.get(node.key),
            )
        return outputs

    def _kernel(self, node, x):
        layer = node.operation
        name = self._names.inherit(layer.name)
        input_scale = self._scales.get(node.key)
        separable = isinstance(layer, keras.layers.SeparableConv2D)
        dense = isinstance(layer, keras.layers.Dense)
        options = {}
        if not dense:
            options = {
                "strides": layer.strides,
                "padding": layer.padding,
                "dilation_rate": layer.dilation_rate,
            }
        spatial = _numpy(layer.weights[0])
        if isinstance(layer, KernelBlur):
            x, options["padding"] = self._bordered(name, layer, x)
            spatial = layer.larger_kernel()
        kernel = spatial
        kind = "dense" if dense else "conv"
        if separable:
            x = self._apply(
                self._names.new(f"{name}_depthwise"),
                "depthwise",
                spatial,
                x,
                shared=not layer.per_channel,
                **options,
            )
            x = self._round(layer.depthwise_quantizer, x)
            input_scale = range_scale(*layer.depthwise_quantizer.range())
            kernel, options = _numpy(layer.pointwise_kernel), {}
        elif isinstance(layer, keras.layers.DepthwiseConv2D):
            kind = "depthwise"
        channels = (
            np.prod(kernel.shape[2:])
            if kind == "depthwise"
            else (kernel.shape[-1])
        )
        bias = np.zeros(channels) if layer.bias is None else _numpy(layer.bias)
        factors, offsets = self._fold(node, np.ones(1), np.zeros(1))
        x = self._apply(
            name,
            kind,
            kernel,
            x,
            factors,
            bias * factors + offsets,
            shared=not layer.per_channel,
            input_scale=input_scale,
            **options,
        )
        activation = layer.quantized_activation
        if activation.activation == "linear":
            return x
        if activation.input_quantizer is not None:
            x = self._round(activation.input_quantizer, x)
            input_scale = range_scale(*activation.input_quantizer.range())
        name = self._names.new(f"{name}_activation")
        return self._activate(name, activation.activation, x, input_scale)

    def _bordered(self, name, layer, x):
        """The map with the zeros that the convolution does not add itself."""
        padding, widths = layer.placement(x.shape)
        if np.any(widths):
            name = self._names.new(f"{name}_border")
            x = keras.layers.ZeroPadding2D(widths, name=name)(x)
        return x, padding

    def _apply(
        self,
        name,
        kind,
        kernel,
        x,
        factors=None,
        bias=None,
        levels=_LEVELS,
        shared=False,
        **options,
    ):
        per_channel = kind != "dense"
        flat = np.abs(kernel)
        if kind == "depthwise":
            flat = flat.reshape(-1, np.prod(kernel.shape[2:]))
        axes = tuple(range(flat.ndim - 1)) if per_channel else None
        scales = flat.max(axes) / levels
        if shared:
            scales = np.full(np.shape(scales), np.max(scales))
        if factors is not None:
            folded = np.broadcast_to(factors, bias.shape)
            if kind == "depthwise":
                kernel = kernel * folded.reshape(kernel.shape[2:])
            else:
                kernel = kernel * folded
            if per_channel or np.any(folded != 1):
                scales = scales * np.abs(folded)
        shape = None
        if kind == "dense" and scales.ndim:
            # TFLite has dense kernels with a scale for each output in no
            # other form.
            kind, kernel, shape = "conv", kernel[None, None], x.shape[1:-1]
            x = self._as_map(name, x)
        fixed = FixedKernel(kind, kernel, scales, bias, name=name, **options)
        self.kernels.append(fixed)
        x = fixed(x)
        if shape is None:
            return x
        return self._reshape(name, x, (*shape, bias.size))

    def _fold(self, node, factors, offsets):
        for affine in self._chains[node.key]:
            more, added = node_kinds.affine_coefficients(affine)
            factors, offsets = factors * more, offsets * more + added
        return factors, offsets

    def _affine(self, name, x, factors, offsets, input_scale):
        channels = max(x.shape[-1], factors.size, offsets.size)
        factors, offsets = (
            np.broadcast_to(each, (channels,)) for each in (factors, offsets)
        )
        kind, kernel = "depthwise", np.ones((1, 1, channels, 1))
        if channels != x.shape[-1]:
            kind, kernel = "conv", np.ones((1, 1, 1, channels))
        shape = (*x.shape[1:-1], channels)
        flat = len(shape) != 3
        if flat:
            x = self._as_map(name, x)
        x = self._apply(
            name,
            kind,
            kernel,
            x,
            factors,
            offsets,
            levels=_EVEN_LEVELS,
            input_scale=input_scale,
        )
        return self._reshape(name, x, shape) if flat else x

    def _average(self, layer, x):
        # AVERAGE_POOL_2D keeps the levels of its input, and a second rounding
        # to those of the output would follow.
        window = layer.pool_size
        kernel = np.full((*window, x.shape[-1], 1), 1 / np.prod(window))
        return self._apply(
            self._names.inherit(layer.name),
            "depthwise",
            kernel,
            x,
            strides=layer.strides,
            padding="valid",
        )

    def _activate(self, name, activation, x, input_scale):
        if activation == "hard_sigmoid":
            # The range that it is rounded to cuts off what is outside.
            sixth, half = np.full(1, 1 / 6), np.full(1, 0.5)
            x = self._affine(name, x, sixth, half, input_scale)
            return FixedRange(0.0, 1.0, name=self._names.new(f"{name}_levels"))(
                x
            )
        return _Activate(activation, name=name)(x)

    def _round(self, quantizer, x):
        name = self._names.new(f"{quantizer.name}_levels")
        return FixedRange(*quantizer.range(), name=name)(x)

    def _as_map(self, name, x):
        *rest, channels = x.shape[1:]
        shape = (1, int(np.prod(rest)), channels)
        return self._reshape(f"{name}_map", x, shape)

    def _reshape(self, name, x, shape):
        name = self._names.new(f"{name}_reshape")
        return keras.layers.Reshape(shape, name=name)(x)


class _Activate(keras.layers.Layer):
    def __init__(self, activation, name):
        super().__init__(name=name)
        self.activation = activation

    def call(self, inputs):
        return apply_activation(self.activation, inputs)

    def compute_output_shape(self, input_shape):
        return input_shape  # as in `FixedRange`


def _tensor(args, kwargs):
    [tensor] = [
        value
        for value in keras.tree.flatten((args, kwargs))
        if isinstance(value, keras.KerasTensor)
    ]
    return tensor


def _numpy(variable):
    return ops.convert_to_numpy(variable).astype("float64")


def is_quantization_aware(model):
    """Whether `model` was made by `quantization_aware`."""
    return any(
        isinstance(layer, ActivationQuantizer)
        for layer in find_quantizers(model)
    )


def find_quantizers(model):
    """All `ActivationQuantizer`s in a model, those inside layers too."""
    return [
        layer
        for layer in graphs.hidden_layers(model)
        if isinstance(layer, ActivationQuantizer)
    ]


def float_layers(model):
    """Paths of the calls in `model` that have no 8-bit form."""
    paths = [
        node.path
        for _, node in graphs.walk(model)
        if node_kinds.node_kind(node) == node_kinds.FLOAT
        and not is_augmentation(node)
    ]
    return list(dict.fromkeys(paths))
