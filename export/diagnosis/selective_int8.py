"""Writes int8 files in which the layers that cannot bear it stay float."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING
from typing import Literal

import numpy as np

from kerastl.arguments import checked_count
from kerastl.arguments import checked_path
from kerastl.arguments import nearest_hint
from kerastl.export.conversion.pipeline import export_model
from kerastl.export.diagnosis.examine import examine
from kerastl.export.diagnosis.float_search import FloatSearch
from kerastl.export.diagnosis.float_search import float_candidates
from kerastl.export.diagnosis.float_variants import OnnxVariants
from kerastl.export.diagnosis.float_variants import TFLiteVariants
from kerastl.export.diagnosis.selective_report import SelectiveReport
from kerastl.export.diagnosis.selective_report import UnreachableError
from kerastl.export.quantization.freeze import is_quantization_aware
from kerastl.export.refinement.write_refined import chosen_steps
from kerastl.export.refinement.write_refined import write_refined
from kerastl.export.runners.image_batches import ImageBatches
from kerastl.export.runners.inference_model import lower
from kerastl.export.runners.runner import load
from kerastl.types import Data
from kerastl.types import PathLike

if TYPE_CHECKING:
    import keras

_FORMATS = {".tflite": TFLiteVariants, ".onnx": OnnxVariants}
_NUM_DIAGNOSED = 16


def selective_int8(
    model: keras.Model,
    path: PathLike,
    calibration: Data,
    evaluation: Data,
    max_accuracy_drop: float = 0.01,
    keep_float: Literal["auto"] | Iterable[str] = "auto",
    max_float_layers: int | None = None,
    overwrite: bool = False,
    num_calibration: int = 200,
    threads: int = 1,
    refine: str | Iterable[str] = "auto",
) -> SelectiveReport:
    """Writes an int8 file, keeping the fewest worst layers in float.

    The model is quantized as a whole first. If that loses more than allowed,
    every layer's error is measured as by `diagnose`, and layers are kept in
    float, those first whose error alone does most harm to the output, until
    the file is good enough. How many that takes is found by bisection on
    files that are really written and run. A layer whose output is rounded too
    coarsely takes the operators that read it along: they would round it
    again. Input and output of the file are those of the plain int8 file.

    Args:
        model: As for `to_tflite`; not one of `quantization_aware`.
        path: Destination, ending in ".tflite" or ".onnx".
        calibration: Images that set the activation ranges, as in `to_tflite`.
        evaluation: Labelled images that the loss is measured on. They choose
            the layers too: measure the result on others before you quote it.
        max_accuracy_drop: Largest allowed loss of accuracy, as a fraction.
        keep_float: "auto", or names of layers to keep in float without a
            search.
        max_float_layers: How many layers "auto" may keep in float at most;
            `None` for any number.
        overwrite: Whether an existing file may be replaced.
        num_calibration: How many calibration images to use at most.
        threads: CPU threads to measure with.
        refine: What is done to the weights, as in `to_tflite`, where no layer
            has to be kept in float.

    Returns:
        A `SelectiveReport`: the `ExportReport` of the file, the layers in
        float and what each number of them costs in size and latency.

    Raises:
        UnreachableError: If no such file loses little enough; it says the
            best that was reached. No file is left behind.
        ValueError: If an argument does not fit.

    Example:

    ```python
    report = kerastl.export.selective_int8(
        model, "model.tflite", calibration=train, evaluation=validation
    )
    print(report)
    ```
    """
    path = checked_path("path", path)
    if path.suffix not in _FORMATS:
        raise ValueError(
            f"Expected a file name that ends in one of {tuple(_FORMATS)}. "
            f"Received: path={str(path)!r}"
        )
    automatic = isinstance(keep_float, str)
    if automatic and keep_float != "auto":
        raise ValueError(
            "`keep_float` must be 'auto' or a list of layer names. "
            f"Received: keep_float={keep_float!r}"
        )
    if max_float_layers is not None:
        max_float_layers = checked_count(
            "max_float_layers", max_float_layers, least=0
        )
    lowered = lower(model)
    if is_quantization_aware(lowered.model):
        raise ValueError(
            "The model was trained with the rounding of an int8 file, and has "
            "no other form. Pass the model that `quantization_aware` was "
            f"given. Received: model={lowered.source.name!r}"
        )
    steps = chosen_steps(refine)
    evaluation = _held(evaluation, lowered)
    results = []

    def write(lowered, output_name, scheme, images, path):
        def searched(lowered):
            variants = _FORMATS[path.suffix](lowered, output_name, images)
            return FloatSearch(
                variants, path, lowered.source, evaluation, threads
            )

        record = None
        if automatic and steps:
            written, _, record = write_refined(
                _write_whole,
                lowered,
                output_name,
                scheme,
                images,
                path,
                steps,
                load(lowered.source),
            )
            search = searched(written.lowered)
            if _is_allowed(search.try_layers(0), max_accuracy_drop):
                results.append(((), search, record))
                return []
            if record.kept:
                record.kept = False
                record.reason = (
                    "layers are kept in float, and the weights are refined "
                    "for a network that is rounded throughout"
                )
        search = searched(lowered)
        if automatic:
            layers = _search(
                search, lowered, images, max_accuracy_drop, max_float_layers
            )
        else:
            search.candidates = _named(
                float_candidates(_examined(search, lowered, images)),
                keep_float,
            )
            layers = len(search.candidates)
            if not _is_allowed(search.try_layers(layers), max_accuracy_drop):
                raise UnreachableError(
                    search.frontier(), max_accuracy_drop, layers
                )
        kept = tuple(each.layer for each in search.candidates[:layers])
        search.write(layers)
        results.append((kept, search, record))
        return [f"Kept in float: {', '.join(kept)}."] if kept else []

    report = export_model(
        write,
        model,
        path,
        path.suffix[1:],
        "int8",
        calibration=calibration,
        evaluation=evaluation,
        max_accuracy_drop=max_accuracy_drop,
        overwrite=overwrite,
        num_calibration=num_calibration,
        threads=threads,
        refine="none",  # `write` has done it, once for all its files
    )
    [(kept, search, report.refinement)] = results
    return SelectiveReport(
        export=report,
        max_accuracy_drop=max_accuracy_drop,
        layers=kept,
        num_operators=search.num_operators,
        frontier=search.frontier(),
    )


def _write_whole(lowered, output_name, scheme, images, path):
    _FORMATS[path.suffix](lowered, output_name, images).write(path)
    return []


def _held(evaluation, lowered):
    """The evaluation images as arrays: they are run many times."""
    batches = ImageBatches(
        evaluation, lowered.input_shape, lowered.num_classes, "evaluation"
    )
    if not batches.has_labels or batches.infinite:
        raise ValueError(
            "The loss of accuracy is measured on a finite set of labelled "
            "images. Pass `evaluation=`, a dataset of (images, labels), "
            "without `.repeat()`. Received: evaluation "
            f"{'that never ends' if batches.infinite else 'without labels'}"
        )
    images, labels = zip(*batches, strict=True)
    return np.concatenate(images), np.concatenate(labels)


def _examined(search, lowered, images):
    search.try_layers(0)
    return examine(lowered.model, search.path, images[:_NUM_DIAGNOSED])


def _is_allowed(point, max_accuracy_drop):
    # A drop that is exactly the allowed one must not fail on rounding.
    return point.accuracy_drop <= max_accuracy_drop + 1e-9


def _search(search, lowered, images, max_accuracy_drop, max_float_layers):
    """Returns the smallest number of layers in float that is good enough."""

    def is_good(number):
        return _is_allowed(search.try_layers(number), max_accuracy_drop)

    if is_good(0):
        return 0
    search.candidates = float_candidates(_examined(search, lowered, images))
    most = len(search.candidates)
    if max_float_layers is not None:
        most = min(most, max_float_layers)
    low, high = 0, 1
    while high < most and not is_good(high):
        low, high = high, 2 * high
    high = min(high, most)
    if high == low or not is_good(high):
        raise UnreachableError(
            search.frontier(), max_accuracy_drop, max_float_layers
        )
    while high - low > 1:
        middle = (low + high) // 2
        if is_good(middle):
            high = middle
        else:
            low = middle
    return high


def _named(candidates, names):
    """The candidates of certain names, in the order of `candidates`."""
    known = {name for each in candidates for name in each.names}
    for name in names:
        if name not in known:
            raise ValueError(
                "`keep_float` names a layer that the file does not compute."
                f"{nearest_hint(name, known)} Received: keep_float has "
                f"{name!r}"
            )
    return [each for each in candidates if set(each.names) & set(names)]
