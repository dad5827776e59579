"""Draws what a blur gains, and what it costs a device.

    python tests/benchmarks/draw_frontier.py

writes `frontier.svg` from `blur_place.json` and `antialias_latency.json`:
MobileNetV2 0.35 at 128 px on clothing, 25 photos a class. Each way to make it
steady stands at the latency of its int8 file, as a multiple of the strided
network's, and at its difference to that network, paired by seed, with the 95 %
interval of Student's t. Two of one latency stand side by side.
"""

import json
import pathlib

from blur_place import difference

from kerastl.apps.report.drawing import BLUE
from kerastl.apps.report.drawing import GREEN
from kerastl.apps.report.drawing import ORANGE
from kerastl.apps.report.drawing import PALETTE
from kerastl.apps.report.drawing import RED
from kerastl.apps.report.drawing import as_svg
from kerastl.apps.report.drawing import in_style

FOLDER = pathlib.Path(__file__).parent
NETWORK = "MobileNetV2 0.35, 128 px"
METHOD = "averaged_imprinting"
STEADY = f"{METHOD}+shift_consistency"
STRIDED, LEFT = "strided", "kernel, stem left"
#: Label, color, method and variant.
WAYS = (
    ("blur after the activation", ORANGE, METHOD, "after"),
    ("blur in the kernel", BLUE, METHOD, "kernel"),
    ("the same, stem left", PALETTE[3], METHOD, LEFT),
    ("no blur, shift_consistency", GREEN, STEADY, STRIDED),
    ("stem left, shift_consistency", RED, STEADY, LEFT),
)
_BESIDE = 0.025
PANELS = {
    "accuracy": "Accuracy",
    "consistency": "Shift consistency",
    "noisy": "Accuracy under noise",
}


def points(rows, ratios):
    """Latency, and the difference and its half interval by measure, by way."""
    found = {}
    for row in rows:
        seeds = found.setdefault((row["method"], row["variant"]), {})
        seeds[row["seed"]] = [row[name] for name in PANELS]
    plain = found[METHOD, STRIDED]
    made = {}
    for label, _, method, variant in WAYS:
        gap = difference(found[method, variant], plain, names=tuple(PANELS))
        ratio = 1.0
        if variant != STRIDED:
            ratio = ratios[f"{variant} / {STRIDED}"]["round_median"]
        made[label] = ratio, gap["mean"], gap["interval"]
    return made


@in_style
def draw(made):
    """Returns the SVG as a string."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.6, 3.6), layout="constrained")
    panels = figure.subplots(1, len(PANELS))
    for axes, (name, title) in zip(panels, PANELS.items(), strict=True):
        axes.spines[["top", "right"]].set_visible(False)
        axes.axhline(0, color="0.6", linewidth=0.8)
        taken = set()
        for label, color, *_ in WAYS:
            ratio, mean, interval = made[label]
            place = ratio + _BESIDE * (ratio in taken)
            taken.add(ratio)
            axes.errorbar(
                place,
                mean[name],
                interval[name],
                color=color,
                marker="o",
                markersize=5,
                linestyle="none",
                elinewidth=1.0,
                capsize=2,
                label=label,
            )
        axes.set_xlim(0.92, None)
        axes.xaxis.set_major_formatter("{x:g}×")
        axes.set_xlabel("int8 latency")
        axes.grid(axis="y")
        axes.set_title(title, loc="left")
    panels[0].set_ylabel("points over no blur")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3)
    return as_svg(figure, "What a blur gains, by what it costs a device")


def main():
    rows = json.loads((FOLDER / "blur_place.json").read_text())["rows"]
    latency = json.loads((FOLDER / "antialias_latency.json").read_text())
    made = points(rows, latency["networks"][NETWORK]["ratios"])
    text = draw(made) + "\n"
    (FOLDER / "frontier.svg").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
