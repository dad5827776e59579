"""The plots of the report, each one a string of inline SVG."""

from kerastl.apps.report.drawing import BLUE
from kerastl.apps.report.drawing import GRID
from kerastl.apps.report.drawing import INK
from kerastl.apps.report.drawing import ORANGE
from kerastl.apps.report.drawing import PALETTE
from kerastl.apps.report.drawing import SOFT
from kerastl.apps.report.drawing import as_svg
from kerastl.apps.report.drawing import blues
from kerastl.apps.report.drawing import in_style
from kerastl.apps.report.drawing import label_rows
from kerastl.apps.report.drawing import panel
from kerastl.apps.report.drawing import shorten

# Beyond this many classes the numbers in the cells cannot be read.
_MAX_NUMBERED_CLASSES = 20

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
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.grid(axis="y")
    if percent:
        axes.yaxis.set_major_formatter("{x:g} %")
    if len(curves) > 1:
        axes.legend(loc="best")
    return as_svg(figure, f"{title} by epoch")


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
    return as_svg(figure, "Loss by learning rate")


@in_style
def plot_confusion(matrix, class_names):
    """Draws a confusion matrix, rows true and columns predicted.

    Args:
        matrix: Nested list of counts, `matrix[true][predicted]`.
        class_names: One name a row.

    Returns:
        SVG as a string.
    """
    import numpy as np

    counts = np.asarray(matrix)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    size = len(class_names)
    numbered = size <= _MAX_NUMBERED_CLASSES
    side = min(max(2.8, 0.3 * size + 0.9), 5.2)
    figure, axes = panel(side + 0.4, side)
    axes.imshow(shares, cmap=blues(), vmin=0, vmax=1)
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.tick_params(length=0)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    if numbered:
        short = [shorten(name) for name in class_names]
        if max(map(len, short)) > 3:
            axes.set_xticks(range(size), short, rotation=45, ha="right")
        else:
            axes.set_xticks(range(size), short)
        axes.set_yticks(range(size), short)
        for row, column in zip(*np.nonzero(counts), strict=True):
            axes.text(
                column,
                row,
                str(counts[row, column]),
                ha="center",
                va="center",
                fontsize=8 if size <= 12 else 6.5,
                color="white" if shares[row, column] > 0.55 else INK,
            )
    return as_svg(figure, "Confusion matrix")


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
    import numpy as np

    values = np.asarray(matrix)
    rows, columns = values.shape
    # A row shows which source classes are nearest, whatever its level.
    low = values.min(axis=1, keepdims=True)
    spread = np.maximum(values.max(axis=1, keepdims=True) - low, 1e-12)
    figure, axes = panel(
        min(2.4 + 0.24 * columns, 10.5), min(1.6 + 0.26 * rows, 8)
    )
    axes.imshow((values - low) / spread, cmap=blues(), vmin=0, vmax=1)
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.tick_params(length=0)
    axes.set_xlabel("source class")
    axes.set_ylabel("target class")
    axes.set_xticks(
        range(columns),
        [shorten(name) for name in source_classes],
        rotation=90 if columns > 5 else 0,
    )
    axes.set_yticks(range(rows), [shorten(name) for name in target_classes])
    return as_svg(figure, "Similarity of the classes")


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
            color=GRID if better else "#f3c9b8",
            linewidth=5,
            solid_capstyle="round",
            zorder=1,
        )
        axes.scatter(before, place, s=46, color="white", edgecolor=SOFT)
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
    return as_svg(figure, title)


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
    return as_svg(figure, title)


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
            axes.plot(
                [], [], marker=f"${place}$", color="black", ls="", label=name
            )
    axes.set_title(title, loc="left")
    axes.set_xlabel("layer, in the order they run")
    axes.set_ylabel("SQNR in dB (higher is better)")
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.grid(axis="y")
    axes.legend(loc="upper left", bbox_to_anchor=(0, -0.2), ncols=2)
    return as_svg(figure, title)
