"""Draws a choice: what each candidate is expected to reach."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kerastl.apps.report.drawing import BLUE
from kerastl.apps.report.drawing import SOFT
from kerastl.apps.report.drawing import as_svg
from kerastl.apps.report.drawing import in_style
from kerastl.apps.report.drawing import label_rows
from kerastl.apps.report.drawing import panel
from kerastl.export.utils.atomic_write import staged_file
from kerastl.types import PathLike

if TYPE_CHECKING:
    from kerastl.apps.choice.choice import Choice


@in_style
def plot_choice(rows):
    """Draws the accuracy to expect of each candidate, with its interval.

    Args:
        rows: What `Choice.rows` returns, the best first.

    Returns:
        SVG as a string.
    """
    figure, axes = panel(5.6, 0.9 + 0.42 * len(rows))
    for place, row in enumerate(rows):
        color = SOFT if place else BLUE
        middle, half = 100 * row["accuracy"], 100 * row["accuracy_interval"]
        axes.hlines(
            place,
            max(middle - half, 0),
            min(middle + half, 100),
            color=color,
            linewidth=2,
        )
        # A ring has not been trained on these photos.
        axes.scatter(
            middle,
            place,
            s=46,
            color=color if row["trials"] else "white",
            edgecolor=color,
            zorder=3,
        )
        axes.annotate(
            f"{middle:.0f}",
            (middle, place),
            xytext=(0, 6),
            textcoords="offset points",
            ha="center",
            color=color,
            fontsize=9,
        )
    labels = [{"label": f"{row['network']}, {row['method']}"} for row in rows]
    title = "Accuracy to expect (95 %)"
    label_rows(axes, labels, title, top=-0.7, margin=0.05)
    return as_svg(figure, title)


def draw_choice(
    choice: Choice, path: PathLike, overwrite: bool = False
) -> None:
    """Writes what a choice expects of its candidates as a picture.

    A dot was tried on the photos, a ring is expected from measurements on
    others.

    Args:
        choice: A `Choice`.
        path: Destination, ending in ".svg".
        overwrite: Whether an existing file may be replaced.

    Example:

    ```python
    choice = apps.choose("photos", minutes=5)
    apps.draw_choice(choice, "choice.svg")
    ```
    """
    with staged_file(path, ".svg", overwrite) as temporary:
        temporary.write_text(plot_choice(choice.rows()), encoding="utf-8")
