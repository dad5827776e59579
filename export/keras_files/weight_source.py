"""One view of every place that weights come from, read layer by layer."""

import contextlib
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import h5py
import keras

from kerastl.arguments import checked_path
from kerastl.arguments import nearest_hint
from kerastl.export.keras_files.unreadable import check_is_binary
from kerastl.export.keras_files.unreadable import check_is_file

_KERAS_3_KEY = re.compile(r"^(layers/[^/]+/)*layers/[^/]+$")


@dataclass(frozen=True)
class WeightEntry:
    """The weights of one layer.

    `arrays` hold anything with a `shape` that NumPy can read: data sets of an
    open file or the variables of a model.
    """

    key: str
    name: str
    arrays: tuple

    @property
    def shapes(self):
        return [tuple(array.shape) for array in self.arrays]


@dataclass(frozen=True)
class WeightSource:
    """The layers with weights of a file or a model.

    `keyed` sources name each layer by class and position
    (`layers/conv2d_3`), as Keras 3 files do. The others (files of tf.keras 2)
    only have an order. `layer_names` also has the layers without weights,
    where the source records them. `model` is the network itself, where there
    is more than its weights.
    """

    label: str
    entries: list
    layer_names: list
    keyed: bool
    model: keras.Model | None = None


def check_weights_file(source) -> Path:
    """The path of a file of weights, which has to be there.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is no path, or that of a folder.
    """
    path = checked_path("weights", source, "a Keras model")
    if path.is_dir():
        check_is_file(path, "weights", (".keras", ".h5"))
    if not path.is_file():
        raise FileNotFoundError(
            "The weights file does not exist. Expected a `.weights.h5`, "
            f"`.h5` or `.keras` file.{nearest_hint(source, ['imagenet'])} "
            f"Received: weights={str(source)!r}"
        )
    return path


@contextlib.contextmanager
def open_weight_source(source):
    """Opens a model or a weights file for reading.

    Args:
        source: A Keras model, or the path of a `.weights.h5`, `.h5`
            (tf.keras 2, weights only or whole model) or `.keras` file. The
            layout is told from the content, not from the name.

    Yields:
        A `WeightSource`, valid inside the `with` block.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file holds no weights that can be read.
    """
    if isinstance(source, keras.Model):
        yield WeightSource(
            label=f"model '{source.name}'",
            entries=keyed_entries(source),
            layer_names=[layer.name for layer in source.layers],
            keyed=True,
            model=source,
        )
        return
    path = check_weights_file(source)
    check_is_binary(path, "Keras weights")
    if path.suffix == ".keras":
        with open_weight_source(_load_keras_file(path)) as opened:
            yield opened
        return
    with contextlib.ExitStack() as stack:
        try:
            file = stack.enter_context(h5py.File(path, "r"))
        except OSError as error:
            raise ValueError(
                "The weights file cannot be read: it is damaged, cut short "
                "or not HDF5. Expected a `.weights.h5`, `.h5` or `.keras` "
                f"file. Received: weights={str(path)!r} ({error})"
            ) from error
        yield _read_hdf5(file, path)


def keyed_entries(model, prefix=""):
    """Lists the layers with weights as Keras 3 files name them."""
    entries = []
    used = Counter()
    for layer in model.layers:
        kind = _snake_case(type(layer).__name__)
        key = f"{prefix}layers/{kind}" + (
            f"_{used[kind]}" if used[kind] else ""
        )
        used[kind] += 1
        if isinstance(layer, keras.Model):
            entries += keyed_entries(layer, prefix=f"{key}/")
        elif layer.weights:
            entries.append(WeightEntry(key, layer.name, tuple(layer.weights)))
    return entries


def ordered_entries(model):
    """Lists the layers with weights as files of tf.keras 2 order them."""
    return [
        WeightEntry(
            layer.name,
            layer.name,
            tuple(layer.trainable_weights + layer.non_trainable_weights),
        )
        for layer in model.layers
        if layer.weights
    ]


def _load_keras_file(path):
    try:
        return keras.saving.load_model(path, compile=False)
    except Exception as error:
        raise ValueError(
            "The `.keras` file cannot be loaded. Load it with "
            "`keras.saving.load_model` and `custom_objects` and pass the "
            f"model instead. Received: weights={str(path)!r} ({error})"
        ) from error


def _read_hdf5(file, path):
    if "model_weights" in file:
        return _read_ordered(file["model_weights"], path)
    if "layer_names" in file.attrs or "layer_names0" in file.attrs:
        return _read_ordered(file, path)
    source = _read_keyed(file, path)
    if not source.entries:
        raise ValueError(
            "The HDF5 file holds no Keras weights. Expected a file written "
            "by `save_weights` or `save`. "
            f"Received: weights={str(path)!r} with groups {sorted(file)[:5]}"
        )
    return source


def _read_keyed(file, path):
    entries, names = [], []

    def visit(group_path, group):
        if not isinstance(group, h5py.Group) or not group_path.endswith(
            "/vars"
        ):
            return
        key = group_path.removesuffix("/vars").replace(
            "_layer_checkpoint_dependencies", "layers"
        )
        if not _KERAS_3_KEY.match(key):
            return
        name = _text(group.attrs.get("name", key.rsplit("/", 1)[-1]))
        names.append(name)
        if len(group):
            arrays = tuple(group[index] for index in sorted(group, key=int))
            entries.append(WeightEntry(key, name, arrays))

    file.visititems(visit)
    return WeightSource(f"file '{path}'", entries, names, keyed=True)


def _read_ordered(group, path):
    names = _attribute_list(group, "layer_names")
    entries = []
    for name in names:
        weight_names = _attribute_list(group[name], "weight_names")
        if weight_names:
            arrays = tuple(group[name][weight] for weight in weight_names)
            entries.append(WeightEntry(name, name, arrays))
    return WeightSource(f"file '{path}'", entries, names, keyed=False)


def _attribute_list(group, name):
    """Reads a list attribute, which HDF5's size limit may have split."""
    if name in group.attrs:
        return [_text(item) for item in group.attrs[name]]
    items, chunk = [], 0
    while f"{name}{chunk}" in group.attrs:
        items += [_text(item) for item in group.attrs[f"{name}{chunk}"]]
        chunk += 1
    return items


def _text(value):
    return value.decode("utf8") if isinstance(value, bytes) else str(value)


def _snake_case(name):
    spaced = re.sub(r"(?<=.)(?=[A-Z][a-z])", "_", name)
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", spaced).lower()
