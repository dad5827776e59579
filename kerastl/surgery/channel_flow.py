"""Follows channels through a network: which must stay or go together."""

import math

import keras
import numpy as np
from keras import layers
from keras import ops

from kerastl.layers.blur_pooling_2d import BlurPooling2D
from kerastl.layers.blurred_convolutions import BlurredConv2D
from kerastl.layers.blurred_convolutions import BlurredDepthwiseConv2D
from kerastl.layers.blurred_convolutions import BlurredSeparableConv2D
from kerastl.layers.gaussian_smoothing_2d import GaussianSmoothing2D
from kerastl.layers.sum_of_shifts import ShiftedDepthwiseConv2D
from kerastl.surgery import graph as graphs
from kerastl.surgery.channel_use import ChannelUse
from kerastl.surgery.pointwise import pointwise_effect

_CONVOLUTIONS = (layers.Conv2D, BlurredConv2D)
_DEPTHWISE = (
    layers.DepthwiseConv2D,
    BlurredDepthwiseConv2D,
    ShiftedDepthwiseConv2D,
)
_SEPARABLE = (layers.SeparableConv2D, BlurredSeparableConv2D)
_PASSING = (
    BlurPooling2D,
    GaussianSmoothing2D,
    layers.AveragePooling2D,
    layers.Cropping2D,
    layers.GlobalAveragePooling2D,
    layers.GlobalMaxPooling2D,
    layers.MaxPooling2D,
    layers.UpSampling2D,
    layers.ZeroPadding2D,
)
_MIXING_ACTIVATIONS = ("glu", "log_softmax", "softmax", "sparsemax")
_MERGES = ("Add", "Average", "Maximum", "Minimum", "Multiply", "Subtract")


class ChannelFlow:
    """Numbers the channels of all feature maps of a functional model.

    Channels that a residual sum, a product, a normalization or a depthwise
    convolution ties together have one number. A channel is protected when
    something that is not known reads it, and when it is an input or output of
    the model, or an input of a nested model.

    Args:
        model: a functional or built sequential `keras.Model`.

    Attributes:
        uses: dict from the id of a layer with weights to its `ChannelUse`.
    """

    def __init__(self, model):
        self.uses = {}
        self._parents = []
        self._protected = set()
        # id of a tensor -> numbers of its channels, whether each is zero.
        self._numbers, self._zeros = {}, {}
        self._run(graphs.read_graph(model))

    def find(self, numbers):
        """The number that stands for each of `numbers` and those tied to it."""
        return np.array([self._root(n) for n in numbers], "int64")

    def protected(self):
        """The set of numbers of the channels that must stay."""
        return {self._root(n) for n in self._protected}

    def removable(self):
        """Numbers of the channels whose removal changes no output.

        These are the ones that are zero wherever they are read, or read with
        weights of zero. Every layer keeps one.
        """
        kept = self.protected()
        while True:
            removed = self._unread(kept)
            used_up = set()
            for use in self.uses.values():
                outputs = self.find(use.outputs).tolist()
                if all(n in removed for n in outputs):
                    used_up.add(outputs[0])
            if not used_up:
                return removed
            kept = kept | used_up

    def _unread(self, kept):
        everything = {self._root(n) for n in range(len(self._parents))}
        removed = set()
        while True:
            read = set(kept)
            for use in self.uses.values():
                if use.mixes:
                    outputs = [n not in removed for n in self.find(use.outputs)]
                    reads = use.reads(np.array(outputs, bool))
                    read.update(self.find(use.inputs)[reads].tolist())
            if everything - read == removed:
                return removed
            # What nobody reads any more may free what it read itself.
            removed = everything - read

    def _root(self, number):
        number = int(number)
        while self._parents[number] != number:
            self._parents[number] = self._parents[self._parents[number]]
            number = self._parents[number]
        return number

    def _tie(self, first, second):
        for a, b in zip(first, second, strict=True):
            self._parents[self._root(b)] = self._root(a)

    def _fresh(self, count):
        start = len(self._parents)
        self._parents.extend(range(start, start + count))
        return np.arange(start, start + count)

    def _protect(self, numbers):
        self._protected.update(int(n) for n in numbers)

    def _run(self, graph, outer=None):
        inputs = keras.tree.flatten(graph.inputs)
        for i, tensor in enumerate(inputs):
            if outer is None:
                self._set_unknown(tensor)
                continue
            # A nested model says what it takes.
            self._protect(self._numbers[id(outer[i])])
            self._set(
                tensor, self._numbers[id(outer[i])], self._zeros[id(outer[i])]
            )
        for node in graph.nodes:
            if graphs.is_graph(node.operation):
                inner = graphs.read_graph(node.operation, node.path)
                self._run(inner, node.inputs)
                for old, new in zip(
                    keras.tree.flatten(inner.outputs), node.outputs, strict=True
                ):
                    self._set(new, self._numbers[id(old)], self._zeros[id(old)])
            else:
                self._call(node)
        if outer is None:
            for tensor in keras.tree.flatten(graph.outputs):
                self._protect(self._numbers[id(tensor)])

    def _set(self, tensor, numbers, zeros):
        if id(tensor) in self._numbers:  # a nested model that is called again
            self._tie(self._numbers[id(tensor)], numbers)
            zeros = zeros & self._zeros[id(tensor)]
        self._numbers[id(tensor)], self._zeros[id(tensor)] = numbers, zeros

    def _set_unknown(self, tensor):
        shape = tensor.shape
        count = shape[-1] if len(shape) > 1 and shape[-1] else 0
        numbers = self._fresh(count)
        self._protect(numbers)
        self._set(tensor, numbers, np.zeros(count, bool))

    def _call(self, node):
        if not self._follow(node):
            for tensor in node.inputs:
                self._protect(self._numbers[id(tensor)])
            for tensor in node.outputs:
                self._set_unknown(tensor)

    def _follow(self, node):
        """Numbers the channels of what a call returns, if it is known how."""
        layer = node.operation
        if len(node.outputs) != 1 or not node.inputs:
            return False
        if getattr(layer, "data_format", None) == "channels_first":
            return False
        numbers = [self._numbers[id(t)] for t in node.inputs]
        zeros = [self._zeros[id(t)] for t in node.inputs]
        if any(
            len(n) != (t.shape[-1] or 0)
            for n, t in zip(numbers, node.inputs, strict=True)
        ):
            return False
        if type(layer) in _DEPTHWISE or _mixes(layer) or _normalizes(node):
            self._weighted(node, numbers[0], zeros[0])
        elif len(node.inputs) > 1:
            return self._merge(node, numbers, zeros)
        elif type(layer) in (layers.Flatten, layers.Reshape):
            return self._reshape(node, numbers[0], zeros[0])
        elif type(layer) in _PASSING:
            self._set(node.outputs[0], numbers[0], zeros[0])
        elif _is_pointwise(node):
            zero = zeros[0] & _keeps_zero(node)
            self._set(node.outputs[0], numbers[0], zero)
        else:
            return False
        return True

    def _weighted(self, node, numbers, zeros):
        layer = node.operation
        use = self.uses.get(id(layer))
        if use is not None:  # a layer that is called again
            self._tie(use.inputs, numbers)
            use.zeros = use.zeros & zeros
        else:
            outputs = numbers
            if type(layer) in _DEPTHWISE:
                outputs = np.repeat(numbers, layer.depth_multiplier)
            elif _mixes(layer):
                outputs = self._fresh(node.outputs[0].shape[-1])
            use = ChannelUse(layer, numbers, outputs, zeros, _mixes(layer))
            self.uses[id(layer)] = use
            if _mixes_in_activation(layer):
                self._protect(outputs)
        self._set(node.outputs[0], use.outputs, use.zero_outputs(zeros))

    def _merge(self, node, numbers, zeros):
        kind = type(node.operation).__name__
        shape = node.outputs[0].shape
        if any(len(t.shape) != len(shape) for t in node.inputs):
            return False
        if kind == "Concatenate":
            axis = getattr(node.operation, "axis", None)
            if axis is None or axis % len(shape) != len(shape) - 1:
                return False
            both = np.concatenate(numbers), np.concatenate(zeros)
            self._set(node.outputs[0], *both)
            return True
        if kind not in _MERGES:
            return False
        full = [n for n in numbers if len(n) == shape[-1]]
        if any(len(n) not in (1, shape[-1]) for n in numbers):
            return False
        for n in numbers:
            if len(n) != shape[-1]:  # one channel for all of them
                self._protect(n)
        for n in full[1:]:
            self._tie(full[0], n)
        combine = np.logical_or if kind == "Multiply" else np.logical_and
        zero = combine.reduce([np.broadcast_to(z, shape[-1:]) for z in zeros])
        self._set(node.outputs[0], full[0], zero)
        return True

    def _reshape(self, node, numbers, zeros):
        before, after = node.inputs[0].shape[1:], node.outputs[0].shape[1:]
        if None in before or None in after:
            return False
        if before[-1] == after[-1]:
            self._set(node.outputs[0], numbers, zeros)
        elif len(after) == 1:
            copies = math.prod(before[:-1])
            self._set(
                node.outputs[0],
                np.tile(numbers, copies),
                np.tile(zeros, copies),
            )
        else:
            return False
        return True


def _mixes(layer):
    """Whether every output of a layer reads all its channels."""
    if type(layer) in _CONVOLUTIONS:
        return layer.groups == 1
    return type(layer) in (layers.Dense, *_SEPARABLE)


def _mixes_in_activation(layer):
    activation = getattr(layer, "activation", None)
    return getattr(activation, "__name__", None) in _MIXING_ACTIVATIONS


def _is_pointwise(node):
    """Whether a call treats each value by itself, all channels alike."""
    layer = node.operation
    if getattr(layer, "weights", ()) or _mixes_in_activation(layer):
        return False
    if isinstance(layer, layers.UnitNormalization):
        return False
    if isinstance(layer, layers.Rescaling) and (
        np.ndim(layer.scale) or np.ndim(layer.offset)
    ):
        return False
    return pointwise_effect(node) is not None


def _normalizes(node):
    layer = node.operation
    return (
        type(layer) is layers.BatchNormalization
        and isinstance(layer.axis, int)
        and layer.axis % len(node.inputs[0].shape)
        == len(node.inputs[0].shape) - 1
    )


def _keeps_zero(node):
    """Whether a call that treats each pixel by itself maps zero to zero."""

    def zero(value):
        if not isinstance(value, keras.KerasTensor):
            return value
        return ops.zeros((1,) * len(value.shape), value.dtype)

    args, kwargs = keras.tree.map_structure(zero, (node.args, node.kwargs))
    return not np.any(ops.convert_to_numpy(node.operation(*args, **kwargs)))
