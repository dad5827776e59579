"""Makes a network narrower.

Sets the channels to zero that matter least, and takes those out that add
nothing.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import Literal

import keras
import numpy as np

from kerastl.arguments import as_names
from kerastl.arguments import checked_count
from kerastl.arguments import nearest_hint
from kerastl.schedules.sparsity_schedules import checked_sparsity
from kerastl.surgery.channel_flow import ChannelFlow
from kerastl.surgery.layer_paths import layers_named
from kerastl.surgery.plain_weights import with_plain_weights
from kerastl.surgery.rebuild import copy_model
from kerastl.surgery.rebuild import rebuild

CRITERIA = ("magnitude", "gamma")


def prune_channels(
    model: keras.Model,
    fraction: float = 0.25,
    by: Literal["magnitude", "gamma"] = "magnitude",
    divisor: int = 1,
    exclude: Sequence[str] = (),
    name: str | None = None,
) -> keras.Model:
    """Copies a network without the channels that matter least.

    Unlike zeros among the weights, channels that are gone make the file
    smaller and the device faster whatever it runs. It costs accuracy at once:
    fine-tune after it, or prune a little and train, several times.

    The channels are those that `mask_channels` sets to zero; what is left
    computes what that masked network computes.

    Args:
        model: A functional or built sequential `keras.Model`; nested models
            are rewritten too.
        fraction: Fraction of the channels of every group that is tied
            together, at least 0 and below 1. It is rounded down.
        by: `"magnitude"` (norms of filters) or `"gamma"` (scales of
            BatchNormalization).
        divisor: The number of channels that stay is a multiple of this, where
            so many are there.
        exclude: Names of layers all of whose channels stay.
        name: Name of the new model. Defaults to the name of `model`.

    Returns:
        A functional `keras.Model` that shares nothing with `model`, not
        compiled.

    Raises:
        ValueError: If an argument is out of its range, the model is
            subclassed, or a layer is not found.

    Example:

    >>> small = kerastl.surgery.prune_channels(model, fraction=0.25, divisor=8)
    >>> kerastl.count_multiply_adds(small)

    Reference:
        Li et al., "Pruning Filters for Efficient ConvNets", ICLR 2017,
        section 3; Liu et al., "Learning Efficient Convolutional Networks
        through Network Slimming", ICCV 2017, section 3.
    """
    masked = mask_channels(model, fraction, by, divisor, exclude, name)
    return remove_zero_channels(masked)


def mask_channels(
    model: keras.Model,
    fraction: float = 0.25,
    by: Literal["magnitude", "gamma"] = "magnitude",
    divisor: int = 1,
    exclude: Sequence[str] = (),
    name: str | None = None,
) -> keras.Model:
    """Copies a network with whole channels set to zero, its shapes unchanged.

    Channels that a residual sum, a product or a depthwise convolution ties
    together are chosen together; of every such group the same fraction goes.
    Filters, biases and normalizations of a chosen channel are zero after
    that, so that `remove_zero_channels` takes it out and changes nothing.
    Inputs and outputs of the network stay, and so do channels that go into a
    layer that is not known.

    Args:
        model: A functional or built sequential `keras.Model`; nested models
            are rewritten too.
        fraction: Fraction of the channels of every group, at least 0 and
            below 1. It is rounded down.
        by: `"magnitude"` takes the smallest norms of the filters, each in
            units of its layer's mean norm and summed over the layers that
            make the channel; `"gamma"` the smallest scales of the
            BatchNormalization behind them.
        divisor: The number of channels that stay is a multiple of this, where
            so many are there; 8 suits many processors.
        exclude: Names of layers all of whose channels stay: every layer of a
            name, or the one with that path (`"backbone/Conv1"`).
        name: Name of the new model. Defaults to the name of `model`.

    Returns:
        A functional `keras.Model` that shares nothing with `model`, not
        compiled.

    Raises:
        ValueError: If an argument is out of its range, the model is
            subclassed, or a layer is not found.

    Example:

    >>> masked = kerastl.surgery.mask_channels(model, 0.25, by="gamma")

    Reference:
        Li et al., "Pruning Filters for Efficient ConvNets", ICLR 2017,
        section 3; Liu et al., "Learning Efficient Convolutional Networks
        through Network Slimming", ICCV 2017, section 3.
    """
    fraction = checked_sparsity("fraction", fraction)
    if by not in CRITERIA:
        raise ValueError(f"`by` must be one of {CRITERIA}. Received: by={by!r}")
    divisor = checked_count("divisor", divisor)
    model, name = with_plain_weights(model), name or model.name
    stuck = set()
    while True:
        masked = copy_model(model, name=name)
        flow = ChannelFlow(masked)
        chosen = _choose(masked, flow, fraction, by, divisor, exclude)
        chosen -= stuck
        for use in flow.uses.values():
            roots = flow.find(use.outputs)
            use.clear(np.array([n in chosen for n in roots], bool))
        # A channel that is not zero to its readers, such as a gate that is
        # half open at zero, had better stay as it was.
        more = chosen - ChannelFlow(masked).removable()
        if not more:
            return masked
        stuck |= more


def _choose(model, flow, fraction, by, divisor, exclude):
    scores = defaultdict(float)
    makers = defaultdict(set)
    kept = _excluded(model, flow, exclude) | flow.protected()
    for use in flow.uses.values():
        roots = flow.find(use.outputs).tolist()
        if use.mixes:
            for root in roots:
                makers[root].add(id(use.layer))
        found = _scores(use, by)
        if found is not None:
            for root, score in zip(roots, found, strict=True):
                scores[root] += score
    groups = defaultdict(list)
    for root, group in makers.items():
        if root not in kept and root in scores:
            groups[frozenset(group)].append(root)
    chosen = set()
    for roots in groups.values():
        stay = len(roots) - int(fraction * len(roots))
        stay = min(-(-stay // divisor) * divisor, len(roots))
        order = sorted(roots, key=lambda root: (scores[root], root))
        chosen.update(order[: len(roots) - stay])
    return chosen


def _scores(use, by):
    if by == "gamma":
        gamma = use.values().get("gamma")
        return None if gamma is None else np.abs(gamma).tolist()
    if not use.mixes:
        return None
    norms = use.filter_norms()
    return (norms / max(norms.mean(), np.finfo("float32").tiny)).tolist()


def _excluded(model, flow, names):
    kept = set()
    for name in as_names(names):
        found = [
            flow.uses[id(layer)]
            for layer in layers_named(model, name)
            if id(layer) in flow.uses
        ]
        if not found:
            known = {use.layer.name for use in flow.uses.values()}
            raise ValueError(
                "No layer with channels has that name."
                f"{nearest_hint(name, known)} Received: exclude={names}"
            )
        for use in found:
            kept.update(flow.find(use.outputs).tolist())
    return kept


def remove_zero_channels(
    model: keras.Model, name: str | None = None
) -> keras.Model:
    """Copies a network without the channels that do not change its outputs.

    These are channels that are zero wherever they are read, and channels that
    are read with weights of zero only. The convolution that makes one loses a
    filter, and whoever reads it the weights for it: normalizations, depthwise
    convolutions, the next convolution; channels that a residual sum ties
    together go together or not at all. The result computes what `model`
    computes in inference, with fewer multiply-adds.

    Args:
        model: A functional or built sequential `keras.Model`; nested models
            are rewritten too.
        name: Name of the new model. Defaults to the name of `model`.

    Returns:
        A functional `keras.Model` that shares nothing with `model`, not
        compiled.

    Raises:
        ValueError: If the model is subclassed.

    Example:

    >>> masked = kerastl.surgery.mask_channels(model, fraction=0.25)
    >>> small = kerastl.surgery.remove_zero_channels(masked)
    """
    flow = ChannelFlow(model)
    removed = flow.removable()
    slim = {}

    def stay(numbers):
        return np.array([n not in removed for n in flow.find(numbers)], bool)

    def call(node, layer, *args, **kwargs):
        operation = node.operation
        use = flow.uses.get(id(operation))
        if use is None:
            wide = node.inputs and node.inputs[0].shape
            if (
                type(operation) is keras.layers.Reshape
                and args[0].shape != wide
            ):
                layer = _reshape(node, args[0])
            return layer(*args, **kwargs)
        if id(operation) not in slim:
            slim[id(operation)] = use.slim_layer(
                stay(use.inputs), stay(use.outputs)
            )
            slim[id(operation)][0].trainable = True
        return slim[id(operation)][0](*args, **kwargs)

    small = rebuild(model, call=call, name=name)
    for layer, values in slim.values():
        layer.set_weights(values)
    return small


def _reshape(node, inputs):
    """The `Reshape` for a map that may have lost channels."""
    target = list(node.outputs[0].shape[1:])
    wide = node.inputs[0].shape
    if target[-1] == wide[-1]:
        target[-1] = inputs.shape[-1]
    else:
        target = [-1]
    return keras.layers.Reshape(target, name=node.operation.name)
