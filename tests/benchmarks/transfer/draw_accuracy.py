"""Draws accuracy by photos a class, from the rows, for the README.

    python tests/benchmarks/transfer/draw_accuracy.py

writes accuracy.svg.
"""

import collections
import pathlib
import statistics

from readme_tables import AVERAGED
from results import Results
from summarize import DEFAULT_RATE
from summarize import both
from summarize import has
from summarize import interval

from kerastl.apps.report.drawing import BLUE
from kerastl.apps.report.drawing import GREEN
from kerastl.apps.report.drawing import ORANGE
from kerastl.apps.report.drawing import PALETTE
from kerastl.apps.report.drawing import RED
from kerastl.apps.report.drawing import SOFT
from kerastl.apps.report.drawing import as_svg
from kerastl.apps.report.drawing import in_style

FOLDER = pathlib.Path(__file__).parent
NETWORK = "mobilenet_v2_0.35"
_USUAL = {
    "network": NETWORK,
    "antialias": 0,
    "epochs": 20,
    "head": "fitted",
    "optimizer": "adam",
    "batch_norm": "",
    "learning_rate": DEFAULT_RATE,
    "strength": 1.0,
    "soup": 1,
    "teacher": "",
    "unlabelled": 0,
    "augment": "light",
    "label_smoothing": 0.0,
    "keep": "last",
    "head_learning_rate": 1.0,
    "status": "done",
}
#: Label, color, and what its rows have.
LINES = (
    (
        "taught, with photos nobody sorted",
        GREEN,
        {**AVERAGED, "teacher": "mobilenet_v2_1.0", "unlabelled": 1},
    ),
    (
        "self-training on the same photos",
        PALETTE[3],
        {**AVERAGED, "method": "self_training", "unlabelled": 1},
    ),
    ("averaged imprinting", BLUE, AVERAGED),
    ("fine-tuning", ORANGE, {"method": "fine_tune"}),
    ("linear probe", SOFT, {"method": "linear_probe"}),
    (
        "usual: drawn classifier, SGD",
        RED,
        {
            "method": "fine_tune",
            "head": "drawn",
            "optimizer": "sgd",
            "learning_rate": 0.003,
        },
    ),
)
PANELS = {"clothing10": "Ten kinds of clothing", "sign_digits10": "Ten signs"}


def points(rows, data, wanted):
    """Mean accuracy and half its 95 % interval, by photos a class."""
    by_shots = collections.defaultdict(list)
    wanted = {**_USUAL, "data": data, **wanted}
    for row in rows:
        if has(row, wanted):
            by_shots[row["shots"]].append(both(row))
    return {
        shots: (statistics.fmean(found), interval(found) or 0.0)
        for shots, found in sorted(by_shots.items())
        if len(found) > 1
    }


@in_style
def draw(rows):
    """Returns the SVG as a string."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.6, 3.8), layout="constrained")
    panels = figure.subplots(1, len(PANELS))
    for axes, (data, title) in zip(panels, PANELS.items(), strict=True):
        axes.spines[["top", "right"]].set_visible(False)
        shown = set()
        for label, color, wanted in LINES:
            found = points(rows, data, wanted)
            shown |= set(found)
            axes.errorbar(
                list(found),
                [mean for mean, _ in found.values()],
                [half for _, half in found.values()],
                color=color,
                marker="o",
                markersize=4,
                linewidth=1.8,
                elinewidth=0.8,
                capsize=2,
                label=label,
            )
        axes.set_xscale("log")
        axes.set_xticks(sorted(shown), [str(each) for each in sorted(shown)])
        axes.minorticks_off()
        axes.set_xlabel("photos a class")
        axes.yaxis.set_major_formatter("{x:g} %")
        axes.grid(axis="y")
        axes.set_title(title, loc="left")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3)
    return as_svg(figure, "Accuracy by photos a class")


if __name__ == "__main__":
    rows = Results(FOLDER / "results.csv").rows
    (FOLDER / "accuracy.svg").write_text(draw(rows) + "\n", encoding="utf-8")
