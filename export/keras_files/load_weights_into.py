"""Loading weights into a model: all of them, or none."""

import re

import keras
import numpy as np

from kerastl.export.keras_files.weight_source import keyed_entries
from kerastl.export.keras_files.weight_source import open_weight_source
from kerastl.export.keras_files.weight_source import ordered_entries
from kerastl.surgery.carry_state import finalize_state
from kerastl.types import PathLike


def load_weights_into(
    model: keras.Model, weights: PathLike | keras.Model
) -> keras.Model:
    """Loads weights into a model after checking that every layer fits.

    Keras's own `load_weights` assigns layer by layer, so that a file of
    another architecture leaves a half-loaded model behind, and it passes
    over layers that only the file has. Here everything is compared first and
    the model is left untouched if anything differs.

    Args:
        model: A built Keras model.
        weights: The path of a `.weights.h5`, `.h5` (tf.keras 2, weights only
            or whole model) or `.keras` file, or a Keras model.

    Returns:
        `model`.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file cannot be read or belongs to another
            architecture; the message names the first layer that differs.

    Example:

    ```python
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    twin = keras.models.clone_model(model)
    kerastl.apps.load_weights_into(twin, model)
    ```
    """
    with open_weight_source(weights) as source:
        assign_source(model, source)
    return model


def assign_source(model, source, droppable=0, adapt=None):
    """Assigns an open `WeightSource` to a model, or changes nothing.

    Args:
        model: A built Keras model.
        source: An open `WeightSource`.
        droppable: How many layers at the end of the source (its head) may be
            missing in the model.
        adapt: Optional function `(layer_name, arrays) -> arrays` that
            converts the arrays of one layer before they are assigned.
    """
    targets = target_entries(model, source)
    matches = match_entries(targets, source)
    taken = {id(found) for _, found in matches}
    extra = [
        entry
        for entry in extra_entries(targets, source)
        if id(entry) not in taken
    ]
    if len(extra) > droppable:
        raise ValueError(
            f"The weights do not fit {model.name!r}: they have "
            f"{len(extra)} layers that the model lacks, the first is "
            f"'{extra[0].name}' with shapes {extra[0].shapes}. Build the "
            "architecture (and its head) that the weights were saved from. "
            f"Received: weights={source.label}"
        )
    loaded = []
    for target, found in matches:
        arrays = [_as_array(array) for array in found.arrays]
        loaded.append(adapt(target.name, arrays) if adapt else arrays)
    for (target, _), arrays in zip(matches, loaded, strict=True):
        for variable, array in zip(target.arrays, arrays, strict=True):
            variable.assign(array)
    finalize_state(model)


def _as_array(values):
    # Variables of a model, or what a file holds.
    if isinstance(values, keras.Variable):
        values = keras.ops.convert_to_numpy(values)
    return np.array(values)


def target_entries(model, source):
    """Lists the model's layers in the way the source lists its own."""
    return keyed_entries(model) if source.keyed else ordered_entries(model)


def match_entries(targets, source):
    """Pairs every target layer with its layer in the source."""
    by_key = {entry.key: entry for entry in source.entries}
    matches = []
    for index, target in enumerate(targets):
        if source.keyed:
            found = by_key.get(target.key)
        else:
            found = (
                source.entries[index] if index < len(source.entries) else None
            )
        if found is None or found.shapes != target.shapes:
            named = _named(targets, source)
            if named is None:
                raise ValueError(_mismatch(target, found, targets, source))
            return named
        matches.append((target, found))
    return matches


def _named(targets, source):
    """Pairs layers by their names, `None` where not all fit.

    A network that was rewritten, such as by blurs in its kernels, has layers
    of other classes, by which a file's keys are made, or in another order.
    Layers whose names are Keras's running numbers, which differ between two
    networks of one process, are paired in their order, class by class.
    """
    names = {target.name for target in targets}
    by_name = {entry.name: entry for entry in source.entries}
    unnamed = {}
    for entry in source.entries:
        if entry.name not in names:
            unnamed.setdefault(_kind(entry), []).append(entry)
    pairs = []
    for target in targets:
        found = by_name.get(target.name)
        if found is None and unnamed.get(_kind(target)):
            found = unnamed[_kind(target)].pop(0)
        pairs.append((target, found))
    if len(names) != len(targets) or not all(
        found is not None and found.shapes == target.shapes
        for target, found in pairs
    ):
        return None
    return pairs


def _kind(entry):
    """The class of a layer, where its name is a running number of it."""
    kind = re.sub(r"_\d+$", "", entry.key.rsplit("/", 1)[-1])
    return kind if re.fullmatch(rf"{kind}(_\d+)?", entry.name) else None


def extra_entries(targets, source):
    """Lists the source's layers that no target uses, in network order."""
    if not source.keyed:
        return source.entries[len(targets) :]
    keys = {target.key for target in targets}
    extra = [entry for entry in source.entries if entry.key not in keys]
    return sorted(extra, key=_position)


def _position(entry):
    """The running number that Keras 3 puts behind a layer's class."""
    number = re.search(r"_(\d+)$", entry.key)
    return int(number.group(1)) if number else 0


def _mismatch(target, found, targets, source):
    if found is None:
        difference = "the weights have no such layer"
    else:
        difference = (
            f"the weights have layer '{found.name}' with shapes "
            f"{found.shapes} in its place"
        )
    return (
        "The weights belong to another architecture. First layer that "
        f"differs: '{target.name}' expects shapes {target.shapes}, "
        f"{difference}. The model has {len(targets)} layers with weights, "
        f"the source {len(source.entries)}. Nothing was loaded. Build the "
        "architecture (width, depth, classes) that the weights were saved "
        f"from.{_width_in(source.label)} Received: weights={source.label}"
    )


def _width_in(label):
    """What the name of a file says of the width, as a sentence."""
    name = re.split(r"[/\\]", label)[-1]
    found = re.search(r"_([01]\.\d+)(?=[_.])", name)
    if found is None:
        return ""
    return (
        f" The file's name speaks of a width of {found[1]}: alpha={found[1]} "
        f"(--alpha {found[1]})."
    )
