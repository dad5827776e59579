"""Measures what each layer of a model loses in a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras

from kerastl.arguments import checked_path
from kerastl.export.conversion.choose_images import check_finite
from kerastl.export.conversion.choose_images import spread_images
from kerastl.export.diagnosis.diagnosis import Diagnosis
from kerastl.export.diagnosis.examine import READERS
from kerastl.export.diagnosis.examine import examine
from kerastl.export.quantization.freeze import is_quantization_aware
from kerastl.export.quantization.node_kinds import QUANTIZED
from kerastl.export.quantization.quantized_activation import ActivationQuantizer
from kerastl.export.quantization.quantized_activation import QuantizedActivation
from kerastl.export.runners.image_batches import ImageBatches
from kerastl.export.runners.inference_model import lower
from kerastl.export.runners.runner import load
from kerastl.export.utils.float32_policy import float32_policy
from kerastl.surgery.rebuild import config_of
from kerastl.surgery.rebuild import rebuild
from kerastl.types import Data
from kerastl.types import PathLike

if TYPE_CHECKING:
    import keras


@float32_policy()
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
    path = checked_path("path", path)
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


_PLAIN = {
    quantized: plain
    # Of two layers with one simulation, the one that Keras has comes first.
    for plain, quantized in reversed(QUANTIZED.items())
}


def without_rounding(model):
    """Returns a model of plain layers with the weights of another one.

    Args:
        model: A model that `quantization_aware` made, trained or not. It is
            not changed.

    Returns:
        A functional `keras.Model` with the names of the layers kept; the
        quantizers are gone.
    """
    plain = {}

    def call(node, layer, *args, **kwargs):
        operation = node.operation
        if isinstance(operation, ActivationQuantizer):
            return args[0]
        if not isinstance(operation, (QuantizedActivation, *_PLAIN)):
            return layer(*args, **kwargs)
        if id(operation) not in plain:
            plain[id(operation)] = _plain_layer(operation)
        layer = plain[id(operation)]
        outputs = layer(*args, **kwargs)
        # Behind the weights of the plain layer come those of the ranges.
        layer.set_weights(operation.get_weights()[: len(layer.weights)])
        return outputs

    return rebuild(model, call=call)


def _plain_layer(layer):
    if isinstance(layer, QuantizedActivation):
        return keras.layers.Activation(layer.activation, name=layer.name)
    config = config_of(layer)
    del config["per_channel"]
    return _PLAIN[type(layer)].from_config(config)
