"""Exports a model file, with photos to calibrate and measure on."""

from __future__ import annotations

import pathlib
from collections.abc import Iterable
from typing import TYPE_CHECKING
from typing import Any
from typing import Literal

from kerastl.apps.data.class_names import read_class_names
from kerastl.apps.data.load_task import are_loose
from kerastl.apps.data.load_task import load_loose_images
from kerastl.apps.data.load_task import load_matching_images
from kerastl.apps.runs.export_files import WRITERS
from kerastl.apps.runs.export_files import check_exports
from kerastl.arguments import checked_path
from kerastl.export import Metadata
from kerastl.export import load
from kerastl.export import selective_int8
from kerastl.export import write_metadata
from kerastl.export.conversion.never_runs import check_target_runs
from kerastl.export.keras_files.load_keras_file import load_keras_file
from kerastl.export.utils.atomic_write import check_destination
from kerastl.types import PathLike

if TYPE_CHECKING:
    from kerastl.export.conversion.report import ExportReport
    from kerastl.export.diagnosis.selective_report import SelectiveReport

# Of the selective search, where the user names no other.
_MAX_DROP = 0.01
# Of photos of no class, as many as an export takes of others.
_MOST_LOOSE = 200


def export_model(
    model: PathLike,
    scheme: str = "int8",
    photos: PathLike | None = None,
    format: str | None = None,
    output: PathLike | None = None,
    overwrite: bool = False,
    max_accuracy_drop: float | None = None,
    threads: int = 1,
    target: str | None = None,
    keep_float: Literal["auto"] | Iterable[str] | None = None,
    refine: str | Iterable[str] = "auto",
) -> ExportReport | SelectiveReport:
    """Exports a `.keras` file to TFLite or ONNX and proves the result.

    The file gets the class names, where the photos or a `labels.txt` beside
    the model tell them.

    Args:
        model: Path of the `.keras` file.
        scheme: Name of the scheme, or `"onnx:int8"` with its format.
        photos: Folder of class folders. Its training images calibrate, its
            test or validation images measure; a folder without parts is
            split. A folder of photos of no class calibrates, and measures no
            accuracy.
        format: `"tflite"` or `"onnx"`. Defaults to the ending of `output`,
            and then to TFLite.
        output: File to write. Defaults to `<model>_<scheme>.<format>` beside
            the model.
        overwrite: Whether an existing file may be replaced.
        max_accuracy_drop: Refuse a file that loses more than this fraction.
        threads: CPU threads to time with.
        target: Device that has to run a TFLite file, as
            `kerastl.export.check` knows it.
        keep_float: For int8: `"auto"` keeps the fewest worst layers in float
            that keep the loss within `max_accuracy_drop` (0.01 if that is
            `None`), a list of layer names those layers. See
            `kerastl.export.selective_int8`. The layers are chosen on the
            validation images where there are such.
        refine: What is done to the weights of a file that photos calibrate,
            as in `kerastl.export.to_tflite`.

    Returns:
        An `ExportReport`; with `keep_float` a `SelectiveReport`.

    Raises:
        AccuracyDropError: The file lost too much; none is left.
        FileNotFoundError: There is no such model or folder.
        TargetError: The target cannot run the file; none is left.
        ValueError: An argument does not fit.

    Example:

    ```python
    print(apps.export_model("runs/a/model.keras", "int8", "photos"))
    ```
    """
    model = checked_path("model", model)
    if output is not None:
        output = checked_path("output", output)
    if format is None and output is not None:
        format = output.suffix.lstrip(".")
    text = f"{format}:{scheme}" if format else scheme
    [(format, scheme)] = check_exports([text])
    if target is not None:
        if format != "tflite":
            raise ValueError(
                "Targets run TFLite files. Leave out the target, or choose the "
                f"format tflite. Received: target={target!r}, format={format!r}"
            )
        check_target_runs(target, [scheme])
    if keep_float is not None:
        _check_selective(scheme, photos, target, keep_float)
    loose = photos is not None and are_loose(photos)
    if loose and (keep_float is not None or max_accuracy_drop is not None):
        raise ValueError(
            "What a file loses is measured on labelled photos, and these are "
            "of no class. Put them into a folder a class, or leave "
            "`max_accuracy_drop` (--max-accuracy-drop) and `keep_float` "
            f"(--keep-float) out. Received: photos={str(photos)!r}"
        )
    if output is None:
        output = model.with_name(f"{model.stem}_{scheme}.{format}")
    check_destination(output, f".{format}", overwrite)
    runner = load(model)
    data: Any = None
    calibration: Any = None
    if photos is None or loose:
        names = read_class_names(model, runner.num_classes)
        if loose:
            calibration = load_loose_images(model, photos, runner, _MOST_LOOSE)
    else:
        data = load_matching_images(model, photos, runner)
        names = data.class_names
        calibration = data.calibration
    report: Any
    if keep_float is not None:
        report = selective_int8(
            load_keras_file(model),
            output,
            calibration=calibration,
            evaluation=data.validation or data.test,
            max_accuracy_drop=(
                _MAX_DROP if max_accuracy_drop is None else max_accuracy_drop
            ),
            keep_float=keep_float,
            overwrite=overwrite,
            threads=threads,
            refine=refine,
        )
    else:
        report = WRITERS[format](
            load_keras_file(model),
            output,
            scheme=scheme,
            calibration=calibration,
            evaluation=data and (data.test or data.validation),
            max_accuracy_drop=max_accuracy_drop,
            overwrite=overwrite,
            threads=threads,
            refine=refine,
            **({} if target is None else {"target": target}),
        )
    if names is not None:
        write_metadata(output, Metadata(names))
        written = report if keep_float is None else report.export
        written.size_bytes = pathlib.Path(output).stat().st_size
    return report


def _check_selective(scheme, photos, target, keep_float):
    if scheme != "int8":
        raise ValueError(
            "Single layers can be kept in float in an int8 file only. Leave "
            "`keep_float` (--keep-float) out, or choose the scheme int8. "
            f"Received: keep_float={keep_float!r}, scheme={scheme!r}"
        )
    if photos is None:
        raise ValueError(
            "Which layers must stay float is measured on labelled photos. "
            "Pass a folder of class folders as `photos` (--calibration). "
            f"Received: keep_float={keep_float!r}, photos=None"
        )
    if target is not None:
        raise ValueError(
            "A target is checked for a file as it was converted, not for one "
            "with layers in float. Leave `target` (--target) out, and run "
            "kerastl check on the file. "
            f"Received: keep_float={keep_float!r}, target={target!r}"
        )
