"""Gives the channels of a tensor the same share of its range."""

import dataclasses

import keras
import numpy as np
from keras import layers

from kerastl.export.quantization import node_kinds
from kerastl.export.quantization.quantized_activation import FUSED
from kerastl.export.refinement.kernel_matrix import is_clustered
from kerastl.export.refinement.streams import batches
from kerastl.surgery.channel_flow import ChannelFlow
from kerastl.surgery.channel_use import ChannelUse

# A channel that hardly stirs on the calibration images may on others.
_MOST = 64.0


@dataclasses.dataclass
class Equalised:
    """What was done to a network.

    Attributes:
        layers: Ids of the layers whose weights were multiplied.
        left: For the id of other layers the reason.
        gain: By which factor the mean square error of rounding a tensor
            falls, as the geometric mean over the tensors with channels whose
            factor may be chosen.
    """

    layers: set
    left: dict
    gain: float

    def note(self, record, group):
        """Writes into the `LayerRecord` of a `Group`'s kernel what was done."""
        kernel = group.kernel.operation
        chain = [kernel, *(node.operation for node in group.affine)]
        if any(id(layer) in self.layers for layer in chain):
            record.done.append("equalisation")
            return
        record.left["equalisation"] = next(
            (self.left[id(each)] for each in chain if id(each) in self.left),
            "what it reads and makes takes no factors",
        )


def equalise(model, schedule, images, fixed=None):
    """Multiplies channels so that the levels of a tensor suit all of them.

    An int8 file gives all channels of a tensor the same levels, those of the
    channel that reaches farthest: one that reaches a tenth as far has a tenth
    of the levels. It is multiplied by ten where it is made, and divided by ten
    wherever it is read, so that the network answers as before. The factor of
    a channel is the same in all tensors that a sum or a concatenation joins.

    A channel that meets ReLU6 keeps the factor 1: its cap would come
    elsewhere. So does one of a layer with clustered weights, and one that
    meets a function that factors do not pass.

    Args:
        model: Functional model, as `refinable_copy` makes it. It is changed.
        schedule: `Schedule` of it.
        images: float32 array that tells how far channels reach.
        fixed: Name of a layer whose outputs stay, or `None`.

    Returns:
        An `Equalised`.

    Reference:
        Nagel et al., "Data-Free Quantization Through Weight Equalization and
        Bias Correction", ICCV 2019, section 4.1. There the ranges of weights
        are made equal; in a file with a scale for each channel of a kernel
        those of the activations are what is left to gain.
    """
    flow = _ScaleFlow(model)
    clustered = set()
    for key, use in flow.uses.items():
        if _is_clustered(use.layer):
            clustered.add(key)
            flow.protect(use.inputs)
            flow.protect(use.outputs)
        elif use.layer.name == fixed:
            flow.protect(use.outputs)
    free = flow.free()
    tensors = {
        number: flow.channels(schedule.flat.tensor(number))
        for number in schedule.rounded
    }
    tensors = {n: each for n, each in tensors.items() if free[each].any()}
    shares = np.zeros(len(free))
    reach = channel_ranges(schedule, {*tensors}, images)
    for number, sizes in reach.items():
        if not np.isfinite(sizes).all():
            free[tensors[number]] = False
        elif sizes.any():
            np.maximum.at(shares, tensors[number], sizes / sizes.max())
    factors = np.ones(len(free))
    # Dead channels have no range to make wider.
    chosen = free & (shares > 0)
    factors[chosen] = np.minimum(1 / shares[chosen], _MOST)
    gains = [
        np.log(1 / np.mean(np.square(1 / factors[channels])))
        for channels in tensors.values()
    ]
    result = Equalised(set(), {}, float(np.exp(np.mean(gains or [0]))))
    capped = flow.capped()
    for key, use in flow.uses.items():
        divide, multiply = (
            factors[flow.find(each)] for each in (use.inputs, use.outputs)
        )
        if (divide != 1).any() or (multiply != 1).any():
            _scale(use.layer, divide, multiply)
            result.layers.add(key)
        elif key in clustered:
            result.left[key] = "its weights are clustered"
        elif capped.intersection(flow.find([*use.inputs, *use.outputs])):
            result.left[key] = "the cap of a ReLU6 would come elsewhere"
    return result


def _is_clustered(layer):
    kernel = getattr(layer, "kernel", None)
    return kernel is not None and is_clustered(
        keras.ops.convert_to_numpy(kernel)
    )


def _scale(layer, divide, multiply):
    """Multiplies what a layer makes, and divides what it reads."""
    if isinstance(layer, layers.BatchNormalization):
        factors = {
            "gamma": multiply / divide,
            "beta": multiply,
            "moving_mean": divide,
        }
    elif isinstance(layer, layers.DepthwiseConv2D):
        kernel = multiply.reshape(len(divide), -1) / divide[:, None]
        factors = {"kernel": kernel, "bias": multiply}
    else:
        factors = {"kernel": multiply / divide[:, None], "bias": multiply}
    for weight in layer.weights:
        if weight.name in factors:
            value = keras.ops.convert_to_numpy(weight)
            weight.assign((value * factors[weight.name]).astype("float32"))


def channel_ranges(schedule, numbers, images):
    """Returns the largest size of the values of each channel, by tensor.

    One batch is in memory at a time, and of it what is still to be read.

    Args:
        schedule: `Schedule` of the network.
        numbers: Set of the numbers of the tensors.
        images: float32 array.
    """
    flat = schedule.flat
    last = {
        number: index
        for index, call in enumerate(flat.calls)
        for number in (*call.inputs, *call.outputs)
    }
    found = {}
    for batch in batches(schedule, images):
        values = {0: batch}
        for index, call in enumerate(flat.calls):
            call.repeat(values)
            for number in numbers.intersection(call.outputs):
                sizes = np.abs(keras.ops.convert_to_numpy(values[number]))
                sizes = sizes.max(tuple(range(sizes.ndim - 1)))
                found[number] = np.maximum(found.get(number, 0), sizes)
            for number in (*call.inputs, *call.outputs):
                if last[number] == index:
                    values.pop(number, None)
    return found


class _ScaleFlow(ChannelFlow):
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
