"""Exports a model file, with photos to calibrate and measure on."""

import pathlib

import keras

from kerastl.apps.data.load_matching_images import load_matching_images
from kerastl.apps.runs.export_files import WRITERS
from kerastl.apps.runs.export_files import check_exports
from kerastl.export import load


def export_model(
    model,
    scheme="int8",
    photos=None,
    format=None,
    output=None,
    overwrite=False,
    max_accuracy_drop=None,
    threads=1,
    target=None,
):
    """Exports a `.keras` file to TFLite or ONNX and proves the result.

    Args:
        model: Path of the `.keras` file.
        scheme: Name of the scheme, or `"onnx:int8"` with its format.
        photos: Folder of class folders. Its training images calibrate, its
            test or validation images measure; a folder without parts is
            split.
        format: `"tflite"` or `"onnx"`. Defaults to the ending of `output`,
            and then to TFLite.
        output: File to write. Defaults to `<model>_<scheme>.<format>` beside
            the model.
        overwrite: Whether an existing file may be replaced.
        max_accuracy_drop: Refuse a file that loses more than this fraction.
        threads: CPU threads to time with.
        target: Device that has to run a TFLite file, as
            `kerastl.export.check` knows it.

    Returns:
        An `ExportReport`.

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
    model = pathlib.Path(model)
    if format is None and output is not None:
        format = pathlib.Path(output).suffix.lstrip(".")
    text = f"{format}:{scheme}" if format else scheme
    [(format, scheme)] = check_exports([text])
    if target is not None and format != "tflite":
        raise ValueError(
            "Targets run TFLite files. Leave out the target, or choose the "
            f"format tflite. Received: target={target!r}, format={format!r}"
        )
    if output is None:
        output = model.with_name(f"{model.stem}_{scheme}.{format}")
    runner = load(model)
    data = None
    if photos is not None:
        data = load_matching_images(model, photos, runner)
    return WRITERS[format](
        keras.saving.load_model(model, compile=False),
        output,
        scheme=scheme,
        calibration=data and data.calibration,
        evaluation=data and (data.test or data.validation),
        max_accuracy_drop=max_accuracy_drop,
        overwrite=overwrite,
        threads=threads,
        **({} if target is None else {"target": target}),
    )
