"""Plots that are read aloud say their figures."""

import html
import re

from kerastl.apps.report import heat_maps
from kerastl.apps.report import plots


def told(picture):
    assert 'role="img"' in picture
    return html.unescape(re.search('aria-label="(.*?)"', picture)[1])


def test_curves():
    curves = {
        "training": [2.0, 0.5, 1.0],
        "validation": [float("nan"), 2.5, 1.25],
        "nothing": [float("nan")] * 3,
    }
    assert told(plots.plot_curves([1, 2, 3], curves, "Loss")) == (
        "Loss by epoch. training: 2 in epoch 1, 1 in epoch 3, lowest 0.5 in "
        "epoch 2; validation: 2.5 in epoch 2, 1.25 in epoch 3, lowest 1.25 in "
        "epoch 3."
    )
    curves = {"training": [0.5, 0.875, 0.75]}
    assert told(plots.plot_curves([1, 2, 3], curves, "Accuracy", True)) == (
        "Accuracy by epoch. training: 50.0 % in epoch 1, 75.0 % in epoch 3, "
        "highest 87.5 % in epoch 2."
    )


def test_one_epoch_is_one_tick():
    picture = plots.plot_curves([1], {"training": [2.0]}, "Loss")
    ticks = re.findall("<!-- ([0-9.]+) -->", picture)
    assert ticks.count("1") == 1
    assert not [tick for tick in ticks if tick.startswith("1.0")]


def test_before_and_after():
    rows = [{"label": "", "before": 0.75, "after": 0.5}]
    picture = plots.plot_before_after(rows, "Accuracy")
    assert told(picture) == "Accuracy: 75.0 % before, 50.0 % after."


def test_methods():
    rows = [
        {"label": "plain <1>", "accuracy": [0.5, 0.7]},
        {"label": "new", "accuracy": [0.9]},
    ]
    assert told(plots.plot_comparison(rows, "accuracy", "Accuracy")) == (
        "Accuracy: plain <1> 60.0 ± 14.1 %; new 90.0 %."
    )


def test_confusion():
    matrix = [[7, 1], [2, 6]]
    assert told(heat_maps.plot_confusion(matrix, ["hats", "shoes"])) == (
        "Confusion matrix of 2 classes: 13 of 16 images were recognized, most "
        "often shoes was taken for hats (2)."
    )
    matrix = [[7, 0], [0, 6]]
    assert told(heat_maps.plot_confusion(matrix, ["hats", "shoes"])) == (
        "Confusion matrix of 2 classes: 13 of 13 images were recognized."
    )


def test_similarity():
    picture = heat_maps.plot_similarity(
        [[0.1, 0.9, 0.2], [0.5, 0.2, 0.3]], ["hat", "shoe"], ["a", "b", "c"]
    )
    assert told(picture) == (
        "Similarity of the classes. Most similar: hat b, shoe a."
    )


def test_many_classes_are_numbered():
    names = [f"class {index}" for index in range(81)]
    matrix = [
        [5 * (row == column) for column in range(81)] for row in range(81)
    ]
    drawn = re.findall(
        "<!-- (.*?) -->", heat_maps.plot_confusion(matrix, names)
    )
    numbers = [str(number) for number in (1, *range(5, 82, 5))]
    assert drawn == [*numbers, "predicted", *numbers, "true"]
