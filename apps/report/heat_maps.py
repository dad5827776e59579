"""The heat maps of the report, each one a string of inline SVG."""

import numpy as np

from kerastl.apps.report.drawing import INK
from kerastl.apps.report.drawing import ON_BLUE
from kerastl.apps.report.drawing import as_svg
from kerastl.apps.report.drawing import blues
from kerastl.apps.report.drawing import in_style
from kerastl.apps.report.drawing import panel
from kerastl.apps.report.drawing import shorten

#: Of more classes, names beside the cells and counts in them cannot be read.
MOST_NAMED = 20
# A class that is numbered has as much of the matrix, in inches.
_NUMBERED = 0.085
# Ink can be read on cells up to this share.
_DARK = 0.7


@in_style
def plot_confusion(matrix, class_names):
    """Draws a confusion matrix, rows true and columns predicted.

    More than `MOST_NAMED` classes are numbered from 1.

    Args:
        matrix: Nested list of counts, `matrix[true][predicted]`.
        class_names: One name a row.

    Returns:
        SVG as a string.
    """
    counts = np.asarray(matrix)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    size = len(class_names)
    if size > MOST_NAMED:
        side = min(max(5.2, _NUMBERED * size + 0.9), 9.0)
        figure, axes = panel(side + 0.4, side)
        _number_classes(axes, size)
        # Of so many, a few images of one cell would not be seen.
        _draw_cells(axes, np.sqrt(shares))
    else:
        side = min(max(2.8, 0.3 * size + 0.9), 5.2)
        figure, axes = panel(side + 0.4, side)
        _name_classes(axes, class_names)
        _write_counts(axes, counts, shares)
        _draw_cells(axes, shares)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    return as_svg(figure, _told(counts, class_names))


@in_style
def plot_similarity(matrix, target_classes, source_classes):
    """Draws the similarity of target and source classes as a heat map.

    Args:
        matrix: Nested list of similarities, `matrix[target][source]`.
        target_classes: One name a row.
        source_classes: One name a column.

    Returns:
        SVG as a string.
    """
    values = np.asarray(matrix)
    rows, columns = values.shape
    # A row shows which source classes are nearest, whatever its level.
    low = values.min(axis=1, keepdims=True)
    spread = np.maximum(values.max(axis=1, keepdims=True) - low, 1e-12)
    figure, axes = panel(min(2.4 + 0.24 * columns, 10.5), 1.6 + 0.2 * rows)
    _draw_cells(axes, (values - low) / spread)
    axes.set_xlabel("source class")
    axes.set_ylabel("target class")
    axes.set_xticks(
        range(columns),
        [shorten(name) for name in source_classes],
        rotation=90 if columns > 5 else 0,
    )
    axes.set_yticks(range(rows), [shorten(name) for name in target_classes])
    nearest = (
        f"{name} {source_classes[place]}"
        for name, place in zip(
            target_classes, values.argmax(axis=1), strict=True
        )
    )
    return as_svg(
        figure,
        f"Similarity of the classes. Most similar: {', '.join(nearest)}.",
    )


def _draw_cells(axes, shares):
    # Over the grid.
    axes.imshow(
        shares,
        cmap=blues(),
        vmin=0,
        vmax=1,
        interpolation="nearest",
        zorder=1,
    )
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.tick_params(length=0)


def _name_classes(axes, class_names):
    short = [shorten(name) for name in class_names]
    slanted = max(map(len, short)) > 3
    axes.set_xticks(
        range(len(short)),
        short,
        rotation=45 if slanted else 0,
        ha="right" if slanted else "center",
    )
    axes.set_yticks(range(len(short)), short)


def _number_classes(axes, size):
    step = 5 if size <= 100 else 10 * -(-size // 200)
    numbers = [1, *range(step, size + 1, step)]
    places = [number - 1 for number in numbers]
    axes.set_xticks(places, numbers, fontsize=7)
    axes.set_yticks(places, numbers, fontsize=7)
    axes.grid(linewidth=0.5)


def _write_counts(axes, counts, shares):
    for row, column in zip(*np.nonzero(counts), strict=True):
        axes.text(
            column,
            row,
            str(counts[row, column]),
            ha="center",
            va="center",
            fontsize=8 if len(counts) <= 12 else 6.5,
            color=ON_BLUE if shares[row, column] > _DARK else INK,
        )


def _told(counts, class_names):
    """What a matrix shows, in words."""
    right, total = int(np.trace(counts)), int(counts.sum())
    text = (
        f"Confusion matrix of {len(class_names)} classes: {right} of {total} "
        "images were recognized"
    )
    wrong = counts - np.diag(np.diag(counts))
    if not wrong.any():
        return f"{text}."
    true, predicted = np.unravel_index(wrong.argmax(), wrong.shape)
    return (
        f"{text}, most often {class_names[true]} was taken for "
        f"{class_names[predicted]} ({wrong.max()})."
    )
