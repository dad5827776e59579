"""The plots of the report, each one a string of inline SVG."""

import functools
import io
import re

_INK = "#1f2933"
_SOFT = "#7b8794"
_GRID = "#e4e7eb"
_BLUE = "#2563a8"
_ORANGE = "#d9730d"
_PALETTE = (_BLUE, _ORANGE, "#3a8a5f", "#8b5cb8", "#b8405e", "#5f6b7a")

_STYLE = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9,
    "text.color": _INK,
    "axes.edgecolor": "#cbd2d9",
    "axes.labelcolor": _SOFT,
    "axes.labelsize": 9,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlecolor": _INK,
    "axes.titlepad": 8,
    "grid.color": _GRID,
    "grid.linewidth": 0.8,
    "xtick.color": _SOFT,
    "ytick.color": _SOFT,
    "xtick.labelcolor": _SOFT,
    "ytick.labelcolor": _INK,
    "legend.frameon": False,
    "legend.fontsize": 9,
    # A dollar sign in a name is no formula.
    "text.parse_math": False,
    # Glyphs drawn as paths look the same on every machine.
    "svg.fonttype": "path",
}

# Beyond this many classes the numbers in the cells cannot be read.
_MAX_NUMBERED_CLASSES = 20

# More names than this run into each other.
_MAX_NAMED_LAYERS = 5


def _in_style(plot):
    """Draws in the report's style, whatever the caller's settings are."""

    @functools.wraps(plot)
    def styled(*args, **kwargs):
        import matplotlib

        with matplotlib.rc_context(_STYLE):
            return plot(*args, **kwargs)

    return styled


@_in_style
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
    figure, axes = _panel(4.0, 2.5)
    # A source term must not hide behind the one drawn after it.
    for index, (label, values) in enumerate(curves.items()):
        axes.plot(
            epochs,
            [100 * value if percent else value for value in values],
            color=_PALETTE[index % len(_PALETTE)],
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
    return _svg(figure, f"{title} by epoch")


@_in_style
def plot_learning_rates(search):
    """Draws a range test of the learning rate.

    Args:
        search: A `kerastl.LearningRateSearch`.

    Returns:
        SVG as a string.
    """
    figure, axes = _panel(4.0, 2.5)
    axes.plot(search.rates, search.losses, color=_BLUE, linewidth=1.8)
    axes.axvline(search.suggestion, color=_ORANGE, linewidth=1.4)
    axes.annotate(
        f"{search.suggestion:.2g}",
        (search.suggestion, 1),
        xycoords=("data", "axes fraction"),
        xytext=(4, -10),
        textcoords="offset points",
        color=_ORANGE,
    )
    axes.set_xscale("log")
    axes.set_xlabel("learning rate")
    axes.grid(axis="y")
    axes.set_title("Loss, smoothed", loc="left")
    return _svg(figure, "Loss by learning rate")


@_in_style
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
    figure, axes = _panel(side + 0.4, side)
    axes.imshow(shares, cmap=_blues(), vmin=0, vmax=1)
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.tick_params(length=0)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    if numbered:
        short = [_shorten(name) for name in class_names]
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
                color="white" if shares[row, column] > 0.55 else _INK,
            )
    return _svg(figure, "Confusion matrix")


@_in_style
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
    figure, axes = _panel(
        min(2.4 + 0.24 * columns, 10.5), min(1.6 + 0.26 * rows, 8)
    )
    axes.imshow((values - low) / spread, cmap=_blues(), vmin=0, vmax=1)
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.tick_params(length=0)
    axes.set_xlabel("source class")
    axes.set_ylabel("target class")
    axes.set_xticks(
        range(columns),
        [_shorten(name) for name in source_classes],
        rotation=90 if columns > 5 else 0,
    )
    axes.set_yticks(range(rows), [_shorten(name) for name in target_classes])
    return _svg(figure, "Similarity of the classes")


@_in_style
def plot_before_after(rows, title):
    """Draws one dumbbell a row: where a figure was, and where it is now.

    Args:
        rows: Sequence of dicts with `label`, `before` and `after`, in 0..1.
        title: Title of the panel.

    Returns:
        SVG as a string.
    """
    figure, axes = _panel(4.6, 0.75 + 0.5 * len(rows))
    for place, row in enumerate(rows):
        before, after = 100 * row["before"], 100 * row["after"]
        better = after >= before
        axes.plot(
            [before, after],
            [place, place],
            color=_GRID if better else "#f3c9b8",
            linewidth=5,
            solid_capstyle="round",
            zorder=1,
        )
        axes.scatter(before, place, s=46, color="white", edgecolor=_SOFT)
        axes.scatter(after, place, s=52, color=_BLUE, zorder=3)
        for value, shift in ((before, -1), (after, 1)):
            side = shift if after >= before else -shift
            axes.annotate(
                f"{value:.1f}",
                (value, place),
                xytext=(9 * side, 0),
                textcoords="offset points",
                ha="left" if side > 0 else "right",
                va="center",
                color=_INK if shift > 0 else _SOFT,
                fontsize=9,
            )
    _label_rows(axes, rows, title, top=-0.5, margin=0.3)
    return _svg(figure, title)


@_in_style
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
    figure, axes = _panel(4.6, 0.8 + 0.48 * len(rows))
    for place, row in enumerate(rows):
        values = [100 * value for value in row[metric]]
        mean = sum(values) / len(values)
        color = _PALETTE[place % len(_PALETTE)]
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
    _label_rows(axes, rows, title, top=-0.75, margin=0.12)
    return _svg(figure, title)


@_in_style
def plot_layer_errors(layers, title):
    """Draws the error of each layer of a file, in network order.

    Args:
        layers: Sequence of dicts as in `Diagnosis.to_dict()["layers"]`, the
            worst first.
        title: Title of the panel.

    Returns:
        SVG as a string.
    """
    figure, axes = _panel(7.2, 4.0)
    ordered = sorted(layers, key=lambda row: row["position"])
    for key, color, style, label in (
        ("accumulated_sqnr", _ORANGE, "-", "with all that came before"),
        ("sqnr", _BLUE, "o", "the layer's own error"),
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
            name = _shorten(row["layer"].split("/")[-1], 28)
            axes.plot(
                [], [], marker=f"${place}$", color="black", ls="", label=name
            )
    axes.set_title(title, loc="left")
    axes.set_xlabel("layer, in the order they run")
    axes.set_ylabel("SQNR in dB (higher is better)")
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.grid(axis="y")
    axes.legend(loc="upper left", bbox_to_anchor=(0, -0.2), ncols=2)
    return _svg(figure, title)


def _label_rows(axes, rows, title, top, margin):
    """Names a row a line, with percentages along the bottom."""
    axes.set_yticks(range(len(rows)), [row["label"] for row in rows])
    axes.set_ylim(len(rows) - 0.5, top)
    axes.margins(x=margin)
    axes.locator_params(axis="x", nbins=5)
    axes.xaxis.set_major_formatter("{x:g} %")
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x")
    axes.set_title(title, loc="left")


def _panel(width, height):
    # A Figure of its own, so that no global matplotlib state is touched and
    # no window system is looked for.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots()
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_axisbelow(True)
    return figure, axes


def _blues():
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list(
        "kerastl", ["#f5f7fa", "#9fc1e6", _BLUE, "#123a66"]
    )


def _svg(figure, description):
    import matplotlib

    buffer = io.StringIO()
    # The salt keeps the ids, and with them the file, the same every time.
    with matplotlib.rc_context({"svg.hashsalt": description}):
        figure.savefig(
            buffer,
            format="svg",
            transparent=True,
            metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")),
        )
    source = buffer.getvalue()
    source = source[source.index("<svg") :]
    # Ids and rules that would clash with those of the next picture in a page.
    source = re.sub(r'<g id="[^"]*">', "<g>", source)
    source = re.sub(r"<style.*?</style>", "", source, flags=re.DOTALL)
    source = re.sub(
        r'<svg [^>]*?width="([\d.]+)pt" height="[\d.]+pt"',
        lambda found: (
            f'<svg role="img" aria-label="{_escape(description)}"'
            f' style="max-width:{float(found[1]) * 4 / 3:.0f}px"'
        ),
        source,
        count=1,
    )
    return source.replace(
        "<svg ", '<svg xmlns:xlink="http://www.w3.org/1999/xlink" ', 1
    )


def _escape(text):
    from markupsafe import escape

    return escape(text)


def _shorten(name, length=14):
    return name if len(name) <= length else name[: length - 1] + "…"
