"""Outputs of frozen layers, computed once."""

import pathlib
from typing import NamedTuple

import keras
import numpy as np

from kerastl.arguments import nearest_hint
from kerastl.surgery.find_head import classifier_call
from kerastl.surgery.graph import read_graph
from kerastl.surgery.split_at import split_at
from kerastl.training.labelled_batches import labelled_batches


class StoredFeatures(NamedTuple):
    """Data for the top of a network, and that top.

    Args:
        features: What the top reads: an array of one row an image; a list of
            them where paths lead around the layer.
        labels: The labels, or `None` where the data has none.
        top: The part of the network behind the layer. It shares its layers,
            so that training it trains the network.
    """

    features: np.ndarray
    labels: np.ndarray
    top: keras.Model


def store_features(model, layer, data, path=None, batch_size=32):
    """Computes the outputs of an inner layer once, and cuts the top off.

    Where the lower layers are frozen and the images are always the same
    (no augmentation), their outputs are too. Trained on what is stored, the
    top costs a step of the top alone. The lower layers run in inference mode,
    as frozen BatchNormalization does in training; dropout below the layer is
    off.

    Args:
        model: A functional or built sequential `keras.Model`.
        layer: Name of the layer whose output is stored, not inside a nested
            model; or `None` for what the classifier reads, see
            `kerastl.surgery.find_head`.
        data: `(images, labels)` arrays, images alone, or a `tf.data.Dataset`
            or other iterable of such batches, read once and in its order.
        path: Folder for the features, in `.npy` files that are opened as
            memory maps. `None` keeps them in memory.
        batch_size: Batch size for arrays.

    Returns:
        A `StoredFeatures`.

    Raises:
        ValueError: If the layer is unknown or called several times, the model
            is subclassed, or the data has no batch.

    Example:

    ```python
    stored = kerastl.store_features(student, None, (images, labels))
    stored.top.compile("adam", "sparse_categorical_crossentropy")
    stored.top.fit(stored.features, stored.labels, epochs=100)
    student.save("model.keras")  # with the trained classifier
    ```
    """
    front, top = split_at(model, _tensor(model, layer))
    if len(top.inputs) == 1:
        top = keras.Model(top.inputs[0], top.output, name=top.name)
    batches = _outputs(front, data, batch_size)
    if path is None:
        stored, labels = _in_memory(batches)
    else:
        stored, labels = _on_disk(batches, pathlib.Path(path))
    features = stored[0] if len(stored) == 1 else stored
    return StoredFeatures(features, labels, top)


def _tensor(model, name):
    if name is None:
        return classifier_call(model)[2]
    nodes = read_graph(model).nodes
    found = [node for node in nodes if node.operation.name == name]
    if len(found) != 1:
        hint = nearest_hint(name, {node.operation.name for node in nodes})
        raise ValueError(
            "The features are those of one call of one layer of the model "
            f"itself, not of a nested one.{hint} Received: layer={name!r}, "
            f"which {model.name!r} calls {len(found)} times"
        )
    return found[0].outputs[0]


def _outputs(front, data, batch_size):
    count = 0
    for images, labels in labelled_batches(data, batch_size, False):
        count += 1
        outputs = front.predict_on_batch(images)
        if labels is not None:
            labels = keras.ops.convert_to_numpy(labels)
        yield keras.tree.flatten(outputs), labels
    if not count:
        raise ValueError(
            "The data has no batch, so there is nothing to store. "
            f"Received: data={data!r}"
        )


def _joined(labels):
    return None if labels[0] is None else np.concatenate(labels)


def _in_memory(batches):
    outputs, labels = zip(*batches, strict=True)
    parts = zip(*outputs, strict=True)
    return [np.concatenate(part) for part in parts], _joined(labels)


def _on_disk(batches, folder):
    folder.mkdir(parents=True, exist_ok=True)
    writers, labels = [], []
    try:
        for outputs, batch_labels in batches:
            if not writers:
                writers = [
                    _Writer(folder / f"features_{i}.npy", output)
                    for i, output in enumerate(outputs)
                ]
            for writer, output in zip(writers, outputs, strict=True):
                writer.append(output)
            labels.append(batch_labels)
        return [writer.finish() for writer in writers], _joined(labels)
    finally:
        for writer in writers:
            writer.close()


class _Writer:
    """Writes an `.npy` file of as many rows as will come.

    NumPy's headers leave room for a first axis of any length, so the one
    written at the end is as long as the one at the start.
    """

    def __init__(self, path, example):
        self.path = path
        self.example = example
        self.count = 0
        self.part = path.with_suffix(".part")
        self.file = open(self.part, "wb")
        self.header = self._write_header()

    def append(self, output):
        self.count += len(output)
        self.file.write(np.ascontiguousarray(output).tobytes())

    def finish(self):
        """Moves the file into its place and opens it as a memory map."""
        self.file.seek(0)
        if self._write_header() != self.header:
            raise RuntimeError(
                "The header of the features grew over the first of them. "
                f"Received: path={str(self.path)!r}"
            )
        self.file.close()
        self.part.replace(self.path)
        return np.load(self.path, mmap_mode="r")

    def close(self):
        self.file.close()
        self.part.unlink(missing_ok=True)

    def _write_header(self):
        example = self.example
        np.lib.format.write_array_header_1_0(
            self.file,
            {
                "shape": (self.count, *example.shape[1:]),
                "fortran_order": False,
                "descr": np.lib.format.dtype_to_descr(example.dtype),
            },
        )
        return self.file.tell()
