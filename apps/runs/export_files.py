"""Writes all the files that a run was asked for."""

import dataclasses
import hashlib
from collections.abc import Callable
from collections.abc import Iterable

import numpy as np

from kerastl.apps.runs.run_progress import RunProgress
from kerastl.arguments import split_names
from kerastl.arguments import unknown_name_error
from kerastl.export import SCHEMES
from kerastl.export import AccuracyDropError
from kerastl.export import ExportReport
from kerastl.export import TargetError
from kerastl.export import load
from kerastl.export import to_onnx
from kerastl.export import to_tflite
from kerastl.export import write_metadata
from kerastl.export.conversion.converters import get_scheme
from kerastl.export.runners.measure_file import measure_latency
from kerastl.export.runners.measure_file import processor_name

# Of a run, the network and its quantization-aware copy.
MODEL = "model.keras"
AWARE_MODEL = "model_aware.keras"
WRITERS: dict[str, Callable[..., ExportReport]] = {
    "tflite": to_tflite,
    "onnx": to_onnx,
}
# Of an `ExportReport`, what goes into the file.
_METRICS = (
    "scheme",
    "accuracy",
    "keras_accuracy",
    "top1_agreement",
    "num_images",
)


def listed_exports(exports) -> list[str]:
    """The `exports` of `apps.fine_tune` as a list of texts.

    Args:
        exports: Texts like `"tflite:int8"`, or one text, several by comma.

    Raises:
        ValueError: If they are no texts, or one is empty.
    """
    if not isinstance(exports, Iterable) or isinstance(exports, bytes):
        raise ValueError(
            "`exports` must be a list of texts such as 'tflite:int8', an "
            f"empty one for no files. Received: exports={exports!r}"
        )
    texts = [exports] if isinstance(exports, str) else exports
    return [name for text in texts for name in split_names("exports", text)]


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
        *formats, scheme = split_names("exports", text, ":")
        if not formats and scheme in SCHEMES:
            schemes = ", ".join(f"{scheme}:{name}" for name in SCHEMES[scheme])
            raise ValueError(
                f"A format alone does not say how it is quantized. Expected "
                f"one of {schemes}. Received: exports={text!r}"
            )
        format = ":".join(formats) or "tflite"
        if format not in SCHEMES:
            raise unknown_name_error("format", format, SCHEMES)
        pairs.append((format, get_scheme(scheme, format).name))
    return pairs


def export_files(
    model,
    runner,
    folder,
    exports,
    calibration,
    evaluation,
    written=(),
    max_accuracy_drop=None,
    threads=1,
    progress=None,
    metadata=None,
    aware=None,
    target=None,
):
    """Exports a model in every wanted way, skipping what is there.

    A file that loses too much or that the target cannot run is refused; the
    others are still written. All are compared with `model`.

    Args:
        model: The trained model.
        runner: `Runner` of it, whose answers the files are held against.
        folder: Folder to write to, as `model_<scheme>.<format>`.
        exports: Pairs as `check_exports` returns them.
        calibration: Images that set the activation ranges.
        evaluation: Labelled images to compare on.
        written: Rows of files that an earlier call has written.
        max_accuracy_drop: Largest allowed loss of accuracy, as a fraction.
        threads: CPU threads to measure with.
        progress: The `RunProgress` that says what is being written.
        metadata: `kerastl.export.Metadata` that goes into every file, with
            what was measured on it.
        aware: The quantization-aware copy of the model that the int8 files
            are written from, or `None`.
        target: Device that has to run the TFLite files, or `None`.

    Returns:
        The rows of all files (`ExportReport.to_dict()` with `file`, its name
        in the folder, `sha256` of it, `network`, the one that it was written
        from, and `target`, the one that it was checked for), and the list of
        `AccuracyDropError`s and `TargetError`s.
    """
    progress = progress or RunProgress()
    unknown = {"network": MODEL, "target": None}
    rows = {row["file"]: {**unknown, **row} for row in written}
    refused = []
    for format, scheme in exports:
        name = f"model_{scheme}.{format}"
        rounds = (
            aware is not None and get_scheme(scheme, format).rounds_as_trained
        )
        network = AWARE_MODEL if rounds else MODEL
        device = target if format == "tflite" else None
        if (
            name in rows
            and (folder / name).exists()
            and _digest(folder / name) == rows[name].get("sha256")
            and rows[name]["network"] == network
            and device in (None, rows[name]["target"])
            and _loses_no_more(rows[name], max_accuracy_drop)
        ):
            if rows[name]["threads"] != threads:
                progress.say(f"timing {name} with {threads} threads")
                rows[name] |= _time(folder / name, threads)
            continue
        progress.begin(name, f"exporting {name}")
        try:
            report = WRITERS[format](
                aware if rounds else model,
                folder / name,
                scheme=scheme,
                calibration=None if rounds else calibration,
                evaluation=evaluation,
                max_accuracy_drop=max_accuracy_drop,
                overwrite=True,
                threads=threads,
                compare_to=runner,
                **({} if device is None else {"target": device}),
            )
        except (AccuracyDropError, TargetError) as error:
            progress.say(f"refused {name}")
            refused.append(error)
            # What a run without the target has left there.
            rows.pop(name, None)
            (folder / name).unlink(missing_ok=True)
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
            "network": network,
            "target": device,
            "size_bytes": (folder / name).stat().st_size,
            "sha256": _digest(folder / name),
        }
    return list(rows.values()), refused


def _loses_no_more(row, max_accuracy_drop):
    drop = row["accuracy_drop"]
    return max_accuracy_drop is None or (
        drop is not None and drop <= max_accuracy_drop
    )


def _time(path, threads):
    """What a row says of a file's time, measured anew."""
    runner = load(path, threads)
    image = np.zeros((1, *runner.input_shape), "float32")
    return {
        **measure_latency(runner, image),
        "threads": threads,
        "processor": processor_name(),
    }


def _digest(path):
    """What tells on a resume whether a file is still the one written."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
