"""The plots of the report, each one a string of inline SVG."""

from __future__ import annotations

import pathlib
from typing import TYPE_CHECKING

from kerastl.apps.report import figures
from kerastl.apps.report.drawing import BLUE
from kerastl.apps.report.drawing import GRID
from kerastl.apps.report.drawing import INK
from kerastl.apps.report.drawing import ORANGE
from kerastl.apps.report.drawing import PALETTE
from kerastl.apps.report.drawing import SOFT
from kerastl.apps.report.drawing import as_svg
from kerastl.apps.report.drawing import in_style
from kerastl.apps.report.drawing import label_rows
from kerastl.apps.report.drawing import panel
from kerastl.apps.report.drawing import shorten
from kerastl.export.utils.atomic_write import check_destination
from kerastl.export.utils.atomic_write import staged_file
from kerastl.types import PathLike

if TYPE_CHECKING:
    from kerastl.export.diagnosis.diagnosis import Diagnosis


# More names than this run into each other.
_MAX_NAMED_LAYERS = 5


@in_style
def plot_curves(epochs, curves, title, percent=False):
    """Draws one small panel of learning curves.

    Args:
        epochs: Sequence of epoch numbers.
        curves: Dict of label to one value an epoch.
        title: Title of the panel.
        percent: Show the values, which lie in 0..1, as per cent.

    Returns:
        SVG as a string.
    """
    figure, axes = panel(4.0, 2.5)
    # A source term must not hide behind the one drawn after it.
    for index, (label, values) in enumerate(curves.items()):
        axes.plot(
            epochs,
            [100 * value if percent else value for value in values],
            color=PALETTE[index % len(PALETTE)],
            linewidth=1.8,
            marker="o" if len(epochs) < 16 else None,
            markersize=3,
            label=label,
        )
    axes.set_title(title, loc="left")
    axes.set_xlabel("epoch")
    if len(epochs) == 1:
        axes.set_xticks(epochs)
    else:
        axes.xaxis.get_major_locator().set_params(integer=True)
    axes.grid(axis="y")
    if percent:
        axes.yaxis.set_major_formatter("{x:g} %")
    if len(curves) > 1:
        axes.legend(loc="best")
    return as_svg(figure, f"{title} by epoch. {_told(epochs, curves, percent)}")


def _told(epochs, curves, percent):
    """Where curves begin and end, and what is best in between, in words."""
    best, name = (max, "highest") if percent else (min, "lowest")

    def point(place, values):
        value = values[place]
        figure = figures.percent(value) if percent else f"{value:.3g}"
        return f"{figure} in epoch {epochs[place]}"

    said = []
    for label, values in curves.items():
        # NaN is a gap in the curve.
        places = [at for at, value in enumerate(values) if value == value]
        if places:
            top = best(places, key=values.__getitem__)
            first, last = (point(places[end], values) for end in (0, -1))
            said.append(
                f"{label}: {first}, {last}, {name} {point(top, values)}"
            )
    return f"{'; '.join(said)}."


@in_style
def plot_learning_rates(search):
    """Draws a range test of the learning rate.

    Args:
        search: A `kerastl.LearningRateSearch`.

    Returns:
        SVG as a string.
    """
    figure, axes = panel(4.0, 2.5)
    axes.plot(search.rates, search.losses, color=BLUE, linewidth=1.8)
    axes.axvline(search.suggestion, color=ORANGE, linewidth=1.4)
    axes.annotate(
        f"{search.suggestion:.2g}",
        (search.suggestion, 1),
        xycoords=("data", "axes fraction"),
        xytext=(4, -10),
        textcoords="offset points",
        color=ORANGE,
    )
    axes.set_xscale("log")
    axes.set_xlabel("learning rate")
    axes.grid(axis="y")
    axes.set_title("Loss, smoothed", loc="left")
    return as_svg(
        figure,
        f"Loss by learning rate. From {search.losses[0]:.3g} at "
        f"{search.rates[0]:.2g} to {search.losses[-1]:.3g} at "
        f"{search.rates[-1]:.2g}; suggested: {search.suggestion:.2g}.",
    )


@in_style
def plot_before_after(rows, title):
    """Draws one dumbbell a row: where a figure was, and where it is now.

    Args:
        rows: Sequence of dicts with `label`, `before` and `after`, in 0..1.
        title: Title of the panel.

    Returns:
        SVG as a string.
    """
    figure, axes = panel(4.6, 0.75 + 0.5 * len(rows))
    for place, row in enumerate(rows):
        before, after = 100 * row["before"], 100 * row["after"]
        better = after >= before
        axes.plot(
            [before, after],
            [place, place],
            color=GRID if better else ORANGE,
            alpha=1 if better else 0.35,
            linewidth=5,
            solid_capstyle="round",
            zorder=1,
        )
        axes.scatter(before, place, s=46, color=SOFT, zorder=2)
        axes.scatter(after, place, s=52, color=BLUE, zorder=3)
        for value, shift in ((before, -1), (after, 1)):
            side = shift if after >= before else -shift
            axes.annotate(
                f"{value:.1f}",
                (value, place),
                xytext=(9 * side, 0),
                textcoords="offset points",
                ha="left" if side > 0 else "right",
                va="center",
                color=INK if shift > 0 else SOFT,
                fontsize=9,
            )
    label_rows(axes, rows, title, top=-0.5, margin=0.3)
    told = (
        f"{row['label']} {figures.percent(row['before'])} before, "
        f"{figures.percent(row['after'])} after".strip()
        for row in rows
    )
    return as_svg(figure, f"{title}: {'; '.join(told)}.")


@in_style
def plot_comparison(rows, metric, title):
    """Draws every seed of every method as a dot, and the mean as a bar.

    Args:
        rows: Sequence of dicts with `label` and, under `metric`, one value
            in 0..1 a seed.
        metric: Key of the values.
        title: Title of the panel.

    Returns:
        SVG as a string.
    """
    figure, axes = panel(4.6, 0.8 + 0.48 * len(rows))
    for place, row in enumerate(rows):
        values = [100 * value for value in row[metric]]
        mean = sum(values) / len(values)
        color = PALETTE[place % len(PALETTE)]
        axes.scatter(
            values, [place] * len(values), s=30, color=color, alpha=0.45
        )
        axes.vlines(mean, place - 0.28, place + 0.28, color=color, linewidth=3)
        axes.annotate(
            f"{mean:.1f}",
            (mean, place - 0.3),
            xytext=(0, 1),
            textcoords="offset points",
            ha="center",
            va="bottom",
            fontsize=9,
        )
    label_rows(axes, rows, title, top=-0.75, margin=0.12)
    told = (f"{row['label']} {figures.spread(row[metric])}" for row in rows)
    return as_svg(figure, f"{title}: {'; '.join(told)}.")


@in_style
def plot_layer_errors(layers, title):
    """Draws the error of each layer of a file, in network order.

    Args:
        layers: Sequence of dicts as in `Diagnosis.to_dict()["layers"]`, the
            worst first.
        title: Title of the panel.

    Returns:
        SVG as a string.
    """
    figure, axes = panel(7.2, 4.0)
    ordered = sorted(layers, key=lambda row: row["position"])
    for key, color, style, label in (
        ("accumulated_sqnr", ORANGE, "-", "with all that came before"),
        ("sqnr", BLUE, "o", "the layer's own error"),
    ):
        # What is exact has no decibels.
        shown = [row for row in ordered if row[key] is not None]
        axes.plot(
            [row["position"] for row in shown],
            [row[key] for row in shown],
            style,
            color=color,
            markersize=4,
            linewidth=1.6,
            label=label,
        )
    for place, row in enumerate(layers[:_MAX_NAMED_LAYERS], start=1):
        if row["sqnr"] is not None:
            axes.annotate(
                str(place),
                (row["position"], row["sqnr"]),
                xytext=(4, 3),
                textcoords="offset points",
                fontsize=8,
                fontweight="bold",
            )
            # Names beside the points would cover each other.
            name = shorten(row["layer"].split("/")[-1], 28)
            axes.plot([], [], marker=f"${place}$", color=INK, ls="", label=name)
    axes.set_title(title, loc="left")
    axes.set_xlabel("layer, in the order they run")
    axes.set_ylabel("SQNR in dB (higher is better)")
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.grid(axis="y")
    axes.legend(loc="upper left", bbox_to_anchor=(0, -0.2), ncols=2)
    told = (
        f"{row['layer']} {figures.level(row['sqnr'])}"
        for row in layers[:_MAX_NAMED_LAYERS]
    )
    return as_svg(figure, f"{title}. Most harm: {', '.join(told)}.")


def draw_diagnosis(
    diagnosis: Diagnosis, path: PathLike, overwrite: bool = False
) -> None:
    """Writes the errors of all layers, in network order, as a picture.

    Args:
        diagnosis: A `kerastl.export.Diagnosis`.
        path: Destination, ending in ".svg".
        overwrite: Whether an existing file may be replaced.

    Example:

    ```python
    diagnosis = kerastl.export.diagnose(model, "model.tflite", images)
    apps.draw_diagnosis(diagnosis, "layers.svg")
    ```
    """
    path = check_destination(path, ".svg", overwrite)
    name = pathlib.Path(diagnosis.path).name
    picture = plot_layer_errors(
        diagnosis.to_dict()["layers"], f"Layers of {name}"
    )
    with staged_file(path, ".svg", overwrite) as temporary:
        temporary.write_text(picture, encoding="utf-8")
