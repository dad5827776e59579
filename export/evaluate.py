"""The same question to every kind of model: how good, how fast."""

from __future__ import annotations

import pathlib
from typing import TYPE_CHECKING
from typing import Any

import numpy as np

from kerastl.export.runners.class_scores import collect_outputs
from kerastl.export.runners.class_scores import predicted
from kerastl.export.runners.image_batches import ImageBatches
from kerastl.export.runners.measure_file import measure_latency
from kerastl.export.runners.runner import load
from kerastl.types import Data
from kerastl.types import PathLike

if TYPE_CHECKING:
    import keras

_TOP = 5


def evaluate(
    path_or_model: PathLike | keras.Model, data: Data, threads: int = 1
) -> dict[str, Any]:
    """Measures the accuracy and the latency of a file or a model.

    Args:
        path_or_model: A .keras, .tflite or .onnx file, or a Keras model.
        data: Labelled images: a dataset of (images, labels) or a pair of
            arrays; images as the Keras model takes them.
        threads: CPU threads; Keras itself ignores it.

    Returns:
        Dictionary of `format`, `path` (`None` for a model), `num_images`,
        `accuracy`, `top5_accuracy` (`None` up to five classes),
        `confusion_matrix` (rows: true class, columns: predicted class),
        `latency_ms`, `latency_p90_ms`, `runs` and `threads`.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file cannot be read, or the data has no labels or
            does not fit.

    Example:

    ```python
    print(kerastl.export.evaluate("model.tflite", test)["accuracy"])
    ```
    """
    runner = load(path_or_model, threads)
    num_classes = max(runner.num_classes, 2)
    batches = ImageBatches(data, runner.input_shape, num_classes, "data")
    if not batches.has_labels or batches.infinite:
        problem = "that never ends" if batches.infinite else "without labels"
        raise ValueError(
            "Evaluation needs a finite set of labelled images. Pass a "
            "dataset of (images, labels), without `.repeat()`. "
            f"Received: data {problem}"
        )
    outputs, labels = collect_outputs(runner, batches)
    confusion = confusion_matrix(outputs, labels, runner.kind)
    best = np.argsort(outputs, axis=-1)[:, -_TOP:]
    in_top = int((best == labels[:, None]).any(axis=-1).sum())
    num_images = len(labels)
    one_image = batches.first[0][:1]
    is_file = isinstance(path_or_model, (str, pathlib.Path))
    return {
        "format": runner.format,
        "path": str(path_or_model) if is_file else None,
        "num_images": num_images,
        "accuracy": float(np.trace(confusion) / num_images),
        "top5_accuracy": in_top / num_images if num_classes > _TOP else None,
        "confusion_matrix": confusion.tolist(),
        **measure_latency(runner, one_image),
        "threads": runner.threads,
    }


def confusion_matrix(outputs, labels, kind):
    """Counts what images were taken for.

    Args:
        outputs: Array `(count, num_classes)`, as `Runner.predict` returns it.
        labels: Integer array `(count,)`.
        kind: `Runner.kind` of what made the outputs.

    Returns:
        int64 array; rows are the true classes, columns the predicted ones.
    """
    classes = max(outputs.shape[-1], 2)
    confusion = np.zeros((classes, classes), dtype="int64")
    np.add.at(confusion, (labels, predicted(outputs, kind)), 1)
    return confusion
