"""From a source network to the student, and the rate that suits it."""

import pathlib

import numpy as np

import kerastl
from kerastl.export.utils.atomic_write import staged_file
from kerastl.surgery import AntialiasReport
from kerastl.surgery import class_means
from kerastl.surgery import copy_model
from kerastl.surgery import embed
from kerastl.surgery.blur_like import blur_taps
from kerastl.surgery.blur_like import find_blurs


def prepare_student(
    source,
    num_classes=None,
    kernel_size=None,
    padding="reflect",
    stem=True,
    seed=None,
    place="after",
):
    """Makes the student: a blurred copy of the source, with a new head.

    Args:
        source: Source network; it is left as it is.
        num_classes: Classes of the new head. `None` keeps the source's head.
        kernel_size: Taps of the blurs. `None` inserts none.
        padding: Border rule of the blurs.
        stem: Whether the first down-sampling is blurred too.
        seed: Seed of the new head.
        place: Where the blurs of convolutions go, see `kerastl.antialias`.

    Returns:
        The student, and the `AntialiasReport` (`None` without blurs). Blurs
        that the source has stay.

    Raises:
        ValueError: If the source has blurs of other taps.

    Example:

    ```python
    source = apps.MobileNetV2(weights="imagenet")
    student, report = prepare_student(source, num_classes=10, kernel_size=3)
    ```
    """
    report = _blurs_of(source)
    if kernel_size is None:
        student = copy_model(source)
    else:
        _check_taps(source, kernel_size)
        options = {
            "kernel_size": kernel_size,
            "padding": padding,
            "stem": stem,
            "place": place,
        }
        report = kerastl.inspect_antialias(source, **options)
        student = kerastl.antialias(source, **options)
    if num_classes is not None:
        student = kerastl.replace_head(
            student, num_classes=num_classes, seed=seed
        )
    return student, report


def _blurs_of(source):
    """The report of blurs that are there, `None` where there are none."""
    found = kerastl.inspect_antialias(source)
    rows = tuple(row for row in found.rows if row.action == "done")
    if not rows:
        return None
    return AntialiasReport(source.name, rows, None, None)


def _check_taps(source, kernel_size):
    """Raises `ValueError` if the source has blurs of other taps."""
    taps = sorted({max(blur_taps(blur)) for blur in find_blurs(source)})
    if taps and kernel_size not in taps:
        raise ValueError(
            "The weights come from an anti-aliased network, whose blurs stay: "
            f"they have {' and '.join(map(str, taps))} taps. Leave `antialias` "
            "(--antialias) out, or start from weights without blurs. "
            f"Received: antialias={kernel_size}"
        )


def suggest_for_run(weights, source, data):
    """Suggests a learning rate and a momentum for fine-tuning these weights.

    The mean features of the classes that the weights were trained on are in
    `class_means.npz` beside them, where `save_class_means` has put them.

    Args:
        weights: What the source was built from.
        source: The source network.
        data: The `apps.ImageData` of the new task.

    Returns:
        A `kerastl.HyperparameterSuggestion`, or `None` where nothing is known
        of the weights' own task.

    Raises:
        ValueError: If the file of the class means is damaged.
    """
    if not isinstance(weights, str | pathlib.Path):
        return None
    path = pathlib.Path(weights).with_name("class_means.npz")
    if not path.is_file():
        return None
    embedding = embed(source)
    try:
        with np.load(path) as saved:
            means, sizes = saved["means"], saved["sizes"]
    except Exception as error:
        raise ValueError(
            "The class means beside the weights are damaged "
            f"({type(error).__name__}: {error}). Delete the file: without it "
            "no learning rate is suggested, and nothing else changes. "
            f"Received: {str(path)!r}"
        ) from error
    if means.ndim != 2 or means.shape[1] != embedding.output_shape[-1]:
        return None
    target_means, target_sizes = class_means(
        embedding, data.calibration, data.num_classes
    )
    return kerastl.suggest_hyperparameters(
        means, target_means, sizes, target_sizes
    )


def save_class_means(path, model, data):
    """Writes the mean features of the training classes to a `.npz`.

    They tell a later fine-tune from these weights how near its own task is,
    see `suggest_for_run`.

    Args:
        path: File to write; replaced if it exists.
        model: The trained network.
        data: The `apps.ImageData` that it was trained on.
    """
    means, sizes = class_means(embed(model), data.calibration, data.num_classes)
    with staged_file(path, ".npz", overwrite=True) as temporary:
        np.savez(temporary, means=means.astype("float32"), sizes=sizes)
