"""A plain network from a gated one."""

from typing import NamedTuple

import keras
import numpy as np
from keras import ops

from kerastl.data.batches import as_inputs
from kerastl.data.batches import class_numbers
from kerastl.data.batches import labelled_batches
from kerastl.layers.frozen import Frozen
from kerastl.layers.gates import MixByGates
from kerastl.surgery.feature_extractor import feature_extractor
from kerastl.surgery.graph import read_graph
from kerastl.surgery.rebuild import rebuild
from kerastl.types import Data


class FoldedGates(NamedTuple):
    """A network whose gates were fixed, and what that cost.

    Args:
        model: The plain functional model, with the names of the layers as
            they were before the gates.
        gates: Dict from the name of a gated layer or block to the mean of its
            gates over the data, one number a filter, or one.
        agreement: Share of the images with the same top-1 class before and
            after.
        accuracy_before: Accuracy of the gated network on the data; `None`
            where it has no labels.
        accuracy_after: The same of the plain one.
    """

    model: keras.Model
    gates: dict
    agreement: float
    accuracy_before: float | None
    accuracy_after: float | None

    def __str__(self):
        tuned = sum(int((gate >= 0.5).sum()) for gate in self.gates.values())
        total = sum(gate.size for gate in self.gates.values())
        text = (
            f"{tuned} of {total} gates fixed on the tuned branch, the others "
            f"on the frozen one; same class as before for "
            f"{100 * self.agreement:.1f} % of the images"
        )
        if self.accuracy_before is None:
            return text
        lost = 100 * (self.accuracy_before - self.accuracy_after)
        return (
            f"{text}; accuracy {100 * self.accuracy_before:.1f} % -> "
            f"{100 * self.accuracy_after:.1f} % "
            f"({abs(lost):.1f} points {'lost' if lost >= 0 else 'won'})"
        )


def fold_gates(
    model: keras.Model, data: Data, threshold: float = 0.5, batch_size: int = 32
) -> FoldedGates:
    """Fixes the gates of AdaFilter or SpotTune, and folds them away.

    A gate that is open for at least `threshold` of the images is fixed open:
    its filter or block is the tuned one, the others are the frozen ones. So
    every layer has one set of weights, as before the gates, and the network
    is as small, fast and exportable as the one that they were put on. Not in
    the papers, where inference chooses for every image; where the gates
    differ between images, this costs accuracy, which the result tells.

    Args:
        model: A functional `keras.Model` made by
            `kerastl.surgery.add_gated_filters` or
            `kerastl.surgery.add_block_routing`, with `softmax` or logits of
            shape `(batch, classes)` as output.
        data: Images as an array, `(images, labels)` arrays, or an iterable of
            such batches, without augmentation. Labels are integers or
            one-hot.
        threshold: Share of the images, in [0, 1].
        batch_size: Batch size for arrays.

    Returns:
        A `FoldedGates`: the plain model, the mean gates, and what was lost.

    Raises:
        ValueError: If the model has no gates, or the data no image.

    Example:

    ```python
    folded = kerastl.fold_gates(gated, (images, labels))
    print(folded)
    folded.model.save("model.keras")
    ```
    """
    if not 0 <= threshold <= 1:
        raise ValueError(
            "`threshold` must be between 0 and 1. "
            f"Received: threshold={threshold}"
        )
    parts = _gated_parts(model)
    if not parts:
        raise ValueError(
            "The model has no gates to fold. Put them on with "
            "`kerastl.surgery.add_gated_filters` or "
            "`kerastl.surgery.add_block_routing`. "
            f"Received: model={model.name!r}"
        )
    extractor = feature_extractor(
        model, [gates.name for _, gates in parts.values()], include_output=True
    )
    sums = dict.fromkeys(parts, 0.0)
    batches, before, labels = [], [], []
    for images, given in labelled_batches(data, batch_size, needs_labels=False):
        outputs, found = extractor(as_inputs(extractor, images), training=False)
        for name, (_, gates) in parts.items():
            values = ops.convert_to_numpy(found[gates.name])
            sums[name] = sums[name] + values.sum(0)
        before.append(class_numbers(outputs))
        batches.append(images)
        if given is not None:
            labels.append(class_numbers(given))
    count = sum(map(len, before))
    if count == 0:
        raise ValueError(
            "The gates cannot be averaged because the data has no image. "
            f"Received: data={type(data).__name__}"
        )
    means = {name: total / count for name, total in sums.items()}
    plain = _without_gates(model)
    for name, (frozen, _) in parts.items():
        _fix(plain, frozen, means[name] >= threshold)
    after = [
        class_numbers(plain(as_inputs(plain, images), training=False))
        for images in batches
    ]
    before, after = np.concatenate(before), np.concatenate(after)
    right_before = right_after = None
    if labels:
        labels = np.concatenate(labels)
        right_before = float((before == labels).mean())
        right_after = float((after == labels).mean())
    agreement = float((before == after).mean())
    return FoldedGates(plain, means, agreement, right_before, right_after)


def _gated_parts(model):
    """Frozen twin and gates of each gated part, by the part's name."""
    graph = read_graph(model)
    made_by = {
        id(tensor): node.operation
        for node in graph.nodes
        for tensor in node.outputs
    }
    parts = {}
    for node in graph.nodes:
        if isinstance(node.operation, MixByGates):
            _, frozen, gates = (made_by[id(each)] for each in node.inputs)
            parts[frozen.name.removesuffix("_frozen")] = (frozen, gates)
    return parts


def _without_gates(model):
    """A copy of the tuned branch alone."""

    def call(node, layer, *args, **kwargs):
        if isinstance(node.operation, MixByGates):
            return args[0][0]
        return layer(*args, **kwargs)

    return rebuild(model, call=call)


def _fix(plain, frozen: Frozen, is_tuned):
    """Gives the filters that are not tuned the weights of the twin.

    Filters are the last axis of every weight of a convolution and of
    BatchNormalization. A weight without axes, such as the sigma of a smoothing,
    is not a filter's.
    """
    tuned = {layer.name: layer for layer in plain.layers}
    for layer in frozen.layer.layers:
        # What another method put in may be folded away on this side already.
        if layer.name not in tuned:
            continue
        for twin, own in zip(
            layer.weights, tuned[layer.name].weights, strict=True
        ):
            if own.shape == ():
                continue
            own.assign(
                np.where(
                    is_tuned,
                    ops.convert_to_numpy(own),
                    ops.convert_to_numpy(twin),
                )
            )
