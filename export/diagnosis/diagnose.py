"""Measures what each layer of a model loses in a file."""

from __future__ import annotations

import pathlib
from typing import TYPE_CHECKING

from kerastl.export.calibration import spread_images
from kerastl.export.check_finite import check_finite
from kerastl.export.diagnosis.diagnosis import Diagnosis
from kerastl.export.diagnosis.examine import READERS
from kerastl.export.diagnosis.examine import examine
from kerastl.export.quantization.find_quantizers import is_quantization_aware
from kerastl.export.quantization.without_rounding import without_rounding
from kerastl.export.runners.image_batches import ImageBatches
from kerastl.export.runners.inference_model import lower
from kerastl.export.runners.runner import load
from kerastl.types import Data
from kerastl.types import PathLike

if TYPE_CHECKING:
    import keras


def diagnose(
    model: keras.Model, path: PathLike, data: Data, num_images: int = 32
) -> Diagnosis:
    """Measures the quantization error of every layer in a written file.

    The file is run with all its inner tensors kept, and each of them is
    compared with the Keras layer that it is the output of: once with the
    layer given the very inputs that the file had (the error that the layer
    adds), and once with the Keras model's own run (the error that has
    accumulated). What the layer adds is then put into an otherwise exact
    Keras model, to see what it does to the output: a coarse layer that nobody
    listens to is harmless. Layers that the converter merged, such as a
    convolution, its BatchNormalization and its ReLU, are one row, named after
    the last.

    A quantization-aware model computes what its file does. The file is
    compared with its layers and weights without their rounding, so that the
    errors are those of int8 again.

    Args:
        model: The Keras model that the file was written from.
        path: The .tflite or .onnx file.
        data: Images as the model takes them. With labels the same number of
            each class is used.
        num_images: How many of them to run at most.

    Returns:
        A `Diagnosis`: `str()` is a table, and it has `to_csv`, `to_dict` and
        `layers`.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is of another model or kind, the images do not
            fit, or weights or activations are NaN.

    Example:

    ```python
    print(kerastl.export.diagnose(model, "model.tflite", validation))
    ```

    Reference: SQNR as in AIMET's and the AI Edge Quantizer's reports; the own
    error is what TFLite's QuantizationDebugger measures for each operator.
    """
    path = pathlib.Path(path)
    if path.suffix not in READERS:
        raise ValueError(
            f"Expected a file that ends in one of {tuple(READERS)}. "
            f"Received: path={str(path)!r}"
        )
    if num_images < 1:
        raise ValueError(
            f"`num_images` must be at least 1. Received: {num_images=}"
        )
    lowered = lower(model)
    runner = load(path)  # refuses what is no image classifier
    expected = lowered.input_shape, lowered.num_classes
    received = tuple(runner.input_shape), runner.num_classes
    if received != expected:
        raise ValueError(
            "The file was written from another model: expected images of "
            f"shape {expected[0]} and {expected[1]} outputs. Received: "
            f"path={str(path)!r} with images of shape {received[0]} and "
            f"{received[1]} outputs"
        )
    batches = ImageBatches(
        data, lowered.input_shape, lowered.num_classes, "data"
    )
    images, _ = spread_images(batches, lowered, num_images)
    network = lowered.model
    if is_quantization_aware(network):
        network = without_rounding(network)
    check_finite(network, images)
    examination = examine(network, path, images)
    return Diagnosis(
        path=str(path),
        model=lowered.source.name,
        num_images=len(images),
        layers=tuple(examination.rows.values()),
    )
