"""The style of every picture, and its way into a page."""

import functools
import io
import re

# The light ones of page.css.
INK = "#1f2933"
SOFT = "#5b6876"
GRID = "#e4e7eb"
BLUE = "#2563a8"
ON_BLUE = "#ffffff"
ORANGE = "#d9730d"
RED = "#b8405e"
GREEN = "#2f7d4f"
VIOLET = "#8b5cb8"
PALETTE = (BLUE, ORANGE, GREEN, VIOLET, RED, SOFT)
#: What page.css calls them.
VARIABLES = {
    INK: "--ink",
    SOFT: "--soft",
    GRID: "--line",
    BLUE: "--blue",
    ON_BLUE: "--on-blue",
    ORANGE: "--orange",
    RED: "--red",
    GREEN: "--green",
    VIOLET: "--violet",
}

# Points of per cent that an axis spans at least: on a shorter one, half a
# point would look like much.
_LEAST_SPAN = 25
# Of an axis, beyond 0 and 100 %, for figures that stand beside their points.
_ROOM = 0.12

_STYLE = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9,
    "text.color": INK,
    "axes.edgecolor": SOFT,
    "axes.labelcolor": SOFT,
    "axes.labelsize": 9,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlecolor": INK,
    "axes.titlepad": 8,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "xtick.labelcolor": SOFT,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
    "legend.fontsize": 9,
    # A dollar sign in a name is no formula.
    "text.parse_math": False,
    # Glyphs drawn as paths look the same on every machine.
    "svg.fonttype": "path",
}


def in_style(plot):
    """Draws in the report's style, whatever the caller's settings are."""

    @functools.wraps(plot)
    def styled(*args, **kwargs):
        import matplotlib

        with matplotlib.rc_context(_STYLE):
            return plot(*args, **kwargs)

    return styled


def label_rows(axes, rows, title, top, margin):
    """Names a row a line, with percentages along the bottom."""
    axes.set_yticks(range(len(rows)), [row["label"] for row in rows])
    axes.set_ylim(len(rows) - 0.5, top)
    axes.margins(x=margin)
    low, high = _widened(*axes.get_xlim())
    axes.set_xlim(low, high)
    axes.locator_params(axis="x", nbins=5)
    inside = max(low, 0), min(high, 100)
    axes.set_xticks(
        [x for x in axes.get_xticks() if inside[0] <= x <= inside[1]]
    )
    axes.xaxis.set_major_formatter("{x:g} %")
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x")
    axes.set_title(title, loc="left")


def _widened(low, high):
    """The limits of an axis of per cent that is not too short."""
    span = max(high - low, _LEAST_SPAN)
    middle = (low + high) / 2
    high = min(middle + span / 2, 100 + _ROOM * span)
    low = min(middle - span / 2, high - _LEAST_SPAN)
    return max(low, -_ROOM * span), high


def panel(width, height):
    # A Figure of its own, so that no global matplotlib state is touched and
    # no window system is looked for.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots()
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_axisbelow(True)
    return figure, axes


def blues():
    """Colours from nothing to blue, that fit a light and a dark page."""
    from matplotlib.colors import LinearSegmentedColormap
    from matplotlib.colors import to_rgba

    # What is empty can still be told from the page.
    ends = to_rgba(BLUE, 0.06), to_rgba(BLUE)
    return LinearSegmentedColormap.from_list("kerastl", ends)


def in_page(source):
    """A picture whose colours are those of the page, light or dark."""
    return re.sub(
        "(fill|stroke): (#[0-9a-f]{6})",
        lambda found: f"{found[1]}: var({VARIABLES[found[2]]})",
        source,
    )


def as_svg(figure, description):
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


def shorten(name, length=14):
    return name if len(name) <= length else name[: length - 1] + "…"
