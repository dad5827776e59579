"""Writes ONNX files."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import TYPE_CHECKING
from typing import Literal

from kerastl.export.onnx_steps import export_onnx
from kerastl.export.onnx_steps import fold_onnx
from kerastl.export.onnx_steps import quantize_onnx
from kerastl.export.onnx_steps import tidy_onnx
from kerastl.export.order_onnx import order_onnx
from kerastl.export.pipeline import export_model
from kerastl.export.quantization.restore_kernels import restore_kernels
from kerastl.export.utils.third_party import quiet_console
from kerastl.export.utils.third_party import require
from kerastl.types import Data
from kerastl.types import PathLike

if TYPE_CHECKING:
    import keras

    from kerastl.export.report import ExportReport

_OPSETS = range(13, 19)  # per-channel QDQ starts at 13, tf2onnx ends at 18
_METHODS = ("minmax", "entropy", "percentile")
_ACTIVATIONS = ("uint8", "int8")


def to_onnx(
    model: keras.Model,
    path: PathLike,
    scheme: Literal["float32", "int8"] = "int8",
    calibration: Data | None = None,
    evaluation: Data | None = None,
    max_accuracy_drop: float | None = None,
    overwrite: bool = False,
    num_calibration: int = 200,
    threads: int = 1,
    opset: int = 17,
    calibration_method: Literal["minmax", "entropy", "percentile"] = "minmax",
    activation_type: Literal["uint8", "int8"] = "uint8",
    compare_to: keras.Model | None = None,
    refine: str | Iterable[str] = "auto",
) -> ExportReport:
    """Writes an .onnx file, runs it in onnxruntime, and reports what it lost.

    The file takes a batch of any size called `image`, channels last as in
    Keras, and returns `probabilities`; both are float32 in every scheme.
    BatchNormalization is folded into the convolutions. The file appears at
    `path` when it is proved, in one step.

    Args:
        model: Functional or Sequential classifier, or a `FineTuner`.
        path: Destination, ending in ".onnx".
        scheme: "float32" or "int8" (static QDQ, per channel).
        calibration: Images that set the activation ranges; needed by "int8",
            but not for a model from `quantization_aware`. As in `to_tflite`.
        evaluation: Images, best with labels, to compare on. As in
            `to_tflite`.
        max_accuracy_drop: Largest allowed loss of accuracy as a fraction.
        overwrite: Whether an existing file may be replaced.
        num_calibration: How many calibration images to use at most.
        threads: CPU threads to measure with.
        opset: Version of the operator set, 13 to 18.
        calibration_method: "minmax" covers every value seen; "entropy" and
            "percentile" clip rare ones, and hold every activation of the
            calibration set in memory.
        activation_type: "uint8", the quicker on x86, or "int8".
        compare_to: Keras model to compare the file with. As in `to_tflite`.
        refine: What is done to the weights. As in `to_tflite`.

    Returns:
        An `ExportReport`.

    Raises:
        AccuracyDropError: If the file loses more than `max_accuracy_drop`.
        ImportError: If tf2onnx, onnx or onnxruntime is missing.
        ValueError: If an argument does not fit.

    Example:

    ```python
    report = kerastl.export.to_onnx(
        model, "model.onnx", calibration=train, evaluation=validation
    )
    print(report)
    ```
    """
    for package in ("onnx", "onnxruntime", "tf2onnx"):
        require(package, package)
    for name, value, choices in (
        ("opset", opset, tuple(_OPSETS)),
        ("calibration_method", calibration_method, _METHODS),
        ("activation_type", activation_type, _ACTIVATIONS),
    ):
        if value not in choices:
            raise ValueError(
                f"`{name}` must be one of {choices}. Received: {name}={value!r}"
            )

    return export_model(
        functools.partial(
            _write,
            opset=opset,
            method=calibration_method,
            activation_type=activation_type,
        ),
        model,
        path,
        "onnx",
        scheme,
        calibration=calibration,
        evaluation=evaluation,
        max_accuracy_drop=max_accuracy_drop,
        overwrite=overwrite,
        num_calibration=num_calibration,
        threads=threads,
        opset=opset,
        compare_to=compare_to,
        refine=refine,
    )


def _write(
    lowered, output_name, scheme, images, path, opset, method, activation_type
):
    exported = path.with_suffix(".exported.onnx")
    folded = path.with_suffix(".folded.onnx")
    with quiet_console():
        export_onnx(lowered, output_name, opset, exported)
        if lowered.kernels is not None:
            restore_kernels(exported, path, lowered.kernels)
        else:
            fold_onnx(exported, folded)
            if scheme.name == "int8":
                quantize_onnx(folded, path, images, method, activation_type)
            else:
                folded.rename(path)
        tidy_onnx(path)
        order_onnx(path)
    return []
