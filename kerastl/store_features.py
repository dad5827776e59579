"""Outputs of frozen layers, computed once."""

import pathlib
from typing import NamedTuple

import keras
import numpy as np

from kerastl.arguments import nearest_hint
from kerastl.data.batches import labelled_batches
from kerastl.data.batches import predict_batch
from kerastl.surgery.find_head import find_classifier
from kerastl.surgery.graph import read_graph
from kerastl.surgery.repeat_calls import split_at
from kerastl.training.stored_rows import stored_rows
from kerastl.types import Data
from kerastl.types import PathLike


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


def store_features(
    model: keras.Model,
    layer: str | None,
    data: Data,
    path: PathLike | None = None,
    batch_size: int = 32,
) -> StoredFeatures:
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
        ValueError: If the layer is unknown, called several times or inside a
            nested model, the model is subclassed, or the data has no batch.

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
    stored, labels = stored_rows(
        _outputs(front, data, batch_size),
        None if path is None else pathlib.Path(path),
    )
    features = stored[0] if len(stored) == 1 else stored
    return StoredFeatures(features, labels, top)


def _tensor(model, name):
    if name is None:
        found = find_classifier(model)
        if found.path:
            raise ValueError(
                "What the classifier reads is inside a nested model, which "
                "cannot be cut in two. Open it first: `kerastl.surgery."
                "open_nested(model)`. Received: layer=None, features made by "
                f"{found.tap!r} in {found.path[-1].path!r}"
            )
        return found.features
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
    for images, labels in labelled_batches(data, batch_size, False):
        outputs = predict_batch(front, images)
        if labels is not None:
            labels = keras.ops.convert_to_numpy(labels)
        yield keras.tree.flatten(outputs), labels
