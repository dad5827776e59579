"""What the committed measurements say of a method, for a task like this one."""

import functools
import json
import math
import pathlib
from typing import NamedTuple

from kerastl.apps.recipes.recipe_table import RECIPES
from kerastl.apps.report.figures import NINETY_FIVE

BASELINE = "fine_tune"
PROBE = "linear_probe"
_FILE = pathlib.Path(__file__).with_name("evidence.json")

# How far a measured task counts: at twice the photos a class, where frozen
# features are so many points better, or four times as many, it counts for 0.6.
_DOUBLINGS = 1.0
_POINTS = 15.0
_WIDER = 2.0
# What a method gains varies from task to task by so many points, seeds apart;
# about as much as the measured tasks differ.
_BETWEEN_TASKS = 2.0
# A method of which little is known is taken for fine-tuning's equal: the
# weight of that opinion, in measured tasks just like this one.
_DOUBT = 0.5
# Features from which on a network is like those that most people start from.
_MANY = 128


class Task(NamedTuple):
    """By what a task is like others.

    Args:
        shots: Photos a class.
        probe: Accuracy of a linear classifier on frozen features, in percent:
            how near they are to what the weights were trained on.
        features: How many there are. Of the 64 of a ResNet-8, whose weights
            knew little, an imprinted start made a poor classifier; of the
            1,280 of a MobileNetV2 a good one, whose weights knew as little.
    """

    shots: float
    probe: float
    features: int


class Gain(NamedTuple):
    """What a method is expected to add to plain fine-tuning.

    Args:
        points: Percentage points of accuracy.
        error: Its standard error, in points.
        tasks: Measured tasks that it rests on, by how near they are.
    """

    points: float
    error: float
    tasks: float


@functools.cache
def measured(teacher=False, unlabelled=False):
    """The rows of evidence.json: one a task and method.

    `tests/benchmarks/transfer/summarize.py --write` makes them. Each has the
    `data`, what makes a `Task`, the `method`, the `teacher` and whether it
    labelled photos (`unlabelled`), the `gain` over fine-tuning on the same
    seeds in points, the standard `error` of that, and the number of `seeds`.

    Args:
        teacher: Whether a bigger network taught.
        unlabelled: Whether photos without labels were learned from, too.
    """
    rows = json.loads(_FILE.read_text(encoding="utf-8"))
    return tuple(
        row
        for row in rows
        if bool(row["teacher"]) == teacher
        and bool(row["unlabelled"]) == unlabelled
    )


def expected_gains(task, rows=None) -> dict[str, Gain]:
    """Expects of each measured method what it gained on tasks like this one.

    Args:
        task: A `Task`.
        rows: As `measured` returns them, the default.

    Returns:
        Dict from method to `Gain`; of fine-tuning itself, none and certain.

    Example:

    ```python
    expected_gains(Task(25, 66.0, 1280))["imprinting"].points
    ```
    """
    known = {}
    for row in measured() if rows is None else rows:
        if row["method"] in RECIPES:
            known.setdefault(row["method"], []).append(row)
    gains = {method: _expect(task, found) for method, found in known.items()}
    return {**gains, BASELINE: Gain(0.0, 0.0, 0.0)}


def expected_lesson(task, unlabelled, rows=None) -> Gain:
    """Expects of a teacher what one gained over fine-tuning on such tasks.

    A MobileNetV2 of full width that taught one of width 0.35, which trained
    as `finetune` does by itself.

    Args:
        task: A `Task`.
        unlabelled: Whether there are photos without labels, too.
        rows: As `measured` returns them, the default.
    """
    if rows is None:
        rows = measured(True, unlabelled)
    return _expect(task, rows)


def told_of(method):
    """The rows of a method, which has learned from the photos it needs.

    Args:
        method: Key of `apps.RECIPES`, or several joined by `+`.
    """
    alone = RECIPES.get(method)
    unlabelled = alone is not None and alone.needs_unlabelled
    return [
        row
        for row in measured(unlabelled=unlabelled)
        if row["method"] == method
    ]


def verdict(method, rows=None) -> str:
    """Whether a method helped where it was measured, in a word or two.

    Of networks with many features, as ImageNet's have: few of those who ask
    start from a ResNet-8 with its 64, whose rows only `expected_gains` reads.

    Args:
        method: Key of `apps.RECIPES`.
        rows: As `measured` returns them; defaults to all of the method.

    Returns:
        `"yes"` or `"no"` where the 95 % interval of its mean gain over the
        tasks leaves zero out, `"no difference"` where it does not, and
        `"not measured"`.
    """
    found = told_of(method) if rows is None else rows
    found = [
        row
        for row in found
        if row["method"] == method and row["features"] >= _MANY
    ]
    if not found:
        return "not measured"
    mean = sum(row["gain"] for row in found) / len(found)
    error = math.sqrt(sum(row["error"] ** 2 for row in found)) / len(found)
    if abs(mean) < NINETY_FIVE * error:
        return "no difference"
    return "yes" if mean > 0 else "no"


def _nearness(row, task):
    doublings = math.log2(task.shots / row["shots"]) / _DOUBLINGS
    apart = (task.probe - row["probe"]) / _POINTS
    wider = math.log2(task.features / row["features"]) / _WIDER
    return math.exp(-(doublings**2 + apart**2 + wider**2) / 2)


def _expect(task, rows):
    weighted = [(_nearness(row, task), row) for row in rows]
    near = sum(weight for weight, _ in weighted)
    whole = near + _DOUBT
    points = sum(weight * row["gain"] for weight, row in weighted) / whole
    variance = (_DOUBT * _BETWEEN_TASKS) ** 2 + sum(
        weight**2 * (row["error"] ** 2 + _BETWEEN_TASKS**2)
        for weight, row in weighted
    )
    return Gain(points, math.sqrt(variance) / whole, near)
