"""Follows factors of channels through a network: which can be chosen."""

import numpy as np
from keras import layers

from kerastl.export.quantization import node_kinds
from kerastl.export.quantization.quantized_activation import FUSED
from kerastl.surgery.channel_flow import ChannelFlow
from kerastl.surgery.channel_use import ChannelUse


class ScaleFlow(ChannelFlow):
    """Numbers channels so that one factor may be chosen for each number.

    Every layer with weights makes channels with numbers of their own: it can
    multiply what it makes, and divide what it reads. Between such layers
    numbers stay together through all that a positive factor passes: sums,
    concatenations, pooling, blurs and ReLU. A channel that meets anything
    else is protected.

    Args:
        model: Functional model.
    """

    def __init__(self, model):
        self._capped = set()
        super().__init__(model)

    def channels(self, tensor):
        """Numbers of the channels of a tensor of the model or one nested."""
        return self.find(self._numbers[id(tensor)])

    def capped(self):
        """The set of numbers of channels that meet a ReLU6."""
        return {self._root(number) for number in self._capped}

    def free(self):
        """Mask over the numbers: whose factor may be chosen."""
        mask = np.ones(len(self._parents), bool)
        mask[[*self.protected(), *self.capped()]] = False
        return mask

    def protect(self, numbers):
        """Keeps the factor 1 for channels."""
        self._protect(numbers)

    def _follow(self, node):
        kind = node_kinds.node_kind(node)
        name = node_kinds.activation_name(node)
        if kind == node_kinds.KERNEL or _is_normalization(node.operation):
            return super()._follow(node)
        if kind in (node_kinds.AFFINE, node_kinds.FLOAT) or (
            type(node.operation).__name__ == "Multiply"
        ):
            return False
        if kind == node_kinds.ACTIVATION and not _passes_factors(node, name):
            return False
        if not super()._follow(node):
            return False
        if name == "relu6":
            self._capped.update(self._numbers[id(node.outputs[0])].tolist())
        return True

    def _weighted(self, node, numbers, zeros):
        layer = node.operation
        use = self.uses.get(id(layer))
        if use is None:
            outputs = self._fresh(node.outputs[0].shape[-1])
            use = ChannelUse(layer, numbers, outputs, zeros, False)
            self.uses[id(layer)] = use
            if not _can_divide(layer):
                self._protect(numbers)
            if not _can_multiply(node):
                self._protect(outputs)
            elif node_kinds.activation_name(node) == "relu6":
                self._capped.update(outputs.tolist())
        else:  # factors of one call would be those of the other
            for each in (numbers, use.inputs, use.outputs):
                self._protect(each)
        outputs = use.outputs
        self._set(node.outputs[0], outputs, np.zeros(len(outputs), bool))


def _passes_factors(node, name):
    return name in ("relu", "relu6") or (
        type(node.operation) is layers.LeakyReLU
    )


def _is_normalization(layer):
    return type(layer) is layers.BatchNormalization


def _can_divide(layer):
    if _is_normalization(layer):
        return layer.scale
    return type(layer) is not layers.SeparableConv2D


def _can_multiply(node):
    layer = node.operation
    if _is_normalization(layer):
        return layer.scale
    return type(layer) is not layers.SeparableConv2D and (
        node_kinds.activation_name(node) in FUSED
    )
