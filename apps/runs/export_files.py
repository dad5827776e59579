"""Writes all the files that a run was asked for."""

import dataclasses

from kerastl.arguments import unknown_name_error
from kerastl.export import SCHEMES
from kerastl.export import AccuracyDropError
from kerastl.export import to_onnx
from kerastl.export import to_tflite
from kerastl.export import write_metadata
from kerastl.export.schemes import get_scheme

WRITERS = {"tflite": to_tflite, "onnx": to_onnx}
# Of an `ExportReport`, what goes into the file.
_METRICS = (
    "scheme",
    "accuracy",
    "keras_accuracy",
    "top1_agreement",
    "num_images",
)


def check_exports(exports):
    """Returns `(format, scheme)` pairs from texts like `"tflite:int8"`.

    Args:
        exports: Sequence of texts; `"int8"` alone means `"tflite:int8"`.

    Raises:
        ValueError: If a format or scheme does not exist; with the nearest
            name.
    """
    pairs = []
    for text in exports:
        format, _, scheme = text.strip().rpartition(":")
        format = format or "tflite"
        if format not in SCHEMES:
            raise unknown_name_error("format", format, SCHEMES)
        pairs.append((format, get_scheme(scheme, format).name))
    return pairs


def export_files(
    model,
    folder,
    exports,
    calibration,
    evaluation,
    written=(),
    max_accuracy_drop=None,
    threads=1,
    console=None,
    metadata=None,
):
    """Exports a model in every wanted way, skipping what is there.

    A file that loses too much is refused; the others are still written.

    Args:
        model: The trained model.
        folder: Folder to write to, as `model_<scheme>.<format>`.
        exports: Pairs as `check_exports` returns them.
        calibration: Images that set the activation ranges.
        evaluation: Labelled images to compare on.
        written: Rows of files that an earlier call has written.
        max_accuracy_drop: Largest allowed loss of accuracy, as a fraction.
        threads: CPU threads to measure with.
        console: `rich.console.Console` to say what is being written.
        metadata: `kerastl.export.Metadata` that goes into every file, with
            what was measured on it.

    Returns:
        The rows of all files (`ExportReport.to_dict()` with `file`, its name
        in the folder), and the list of `AccuracyDropError`s.
    """
    rows = {row["file"]: row for row in written}
    refused = []
    for format, scheme in exports:
        name = f"model_{scheme}.{format}"
        if name in rows and (folder / name).exists():
            continue
        if console is not None:
            console.print(f"exporting {name}", highlight=False)
        try:
            report = WRITERS[format](
                model,
                folder / name,
                scheme=scheme,
                calibration=calibration,
                evaluation=evaluation,
                max_accuracy_drop=max_accuracy_drop,
                overwrite=True,
                threads=threads,
            )
        except AccuracyDropError as error:
            refused.append(error)
            continue
        if metadata is not None:
            metrics = {key: getattr(report, key) for key in _METRICS}
            write_metadata(
                folder / name, dataclasses.replace(metadata, metrics=metrics)
            )
        rows[name] = {
            **report.to_dict(),
            "path": name,
            "file": name,
            "size_bytes": (folder / name).stat().st_size,
        }
    return list(rows.values()), refused
