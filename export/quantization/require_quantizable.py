"""Refuses what cannot be trained quantization-aware, before the work."""

import warnings

import keras

from kerastl.export.quantization.find_quantizers import float_layers
from kerastl.export.quantization.find_quantizers import is_quantization_aware
from kerastl.export.quantization.load_quantizers import load_quantizers
from kerastl.export.runners.inference_model import check_shapes
from kerastl.export.runners.inference_model import plain_model


def require_quantizable(model, stacklevel=2):
    """Checks that a model can be trained with the rounding of its int8 file.

    Layers whose 8-bit form is not simulated are no reason to refuse it: they
    stay in float, and are named in a warning.

    Args:
        model: Functional or Sequential classifier, or a `FineTuner`, whose
            student is taken.
        stacklevel: Of the warning; 2 is the caller's line.

    Returns:
        The plain model.

    Raises:
        ImportError: If tensorflow-model-optimization is missing.
        RuntimeError: If Keras does not run on TensorFlow.
        ValueError: If the model is quantization-aware already, has no graph,
            or is no classifier that could be exported.

    Example:

    ```python
    require_quantizable(model)
    aware = kerastl.export.quantization_aware(model)
    ```
    """
    backend = keras.backend.backend()
    if backend != "tensorflow":
        raise RuntimeError(
            "Quantization-aware training runs on TensorFlow, whose "
            "fake-quantization the converters know. Start the process with "
            f"KERAS_BACKEND=tensorflow. Received: backend={backend!r}"
        )
    load_quantizers()
    model, _ = plain_model(model)
    check_shapes(model)
    if is_quantization_aware(model):
        raise ValueError(
            "The model is quantization-aware already. Train it on. "
            f"Received: model={model.name!r}"
        )
    floats = float_layers(model)
    if floats:
        warnings.warn(
            "These layers have no 8-bit form that training could follow. They "
            "stay in float in the model, and in the files of every format "
            "without an integer form of them, as the report of an export "
            f"tells: {', '.join(floats)}.",
            stacklevel=stacklevel,
        )
    return model
