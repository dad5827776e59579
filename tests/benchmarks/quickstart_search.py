"""Where the quickstart's learning rate and loss weights come from.

    python tests/benchmarks/quickstart_search.py

trains each of the quickstart's methods with every learning rate, and KTFT
with several weights of its losses, with the quickstart's three seeds. They are
judged on validation images alone: the accuracy over randomly shifted crops.
Prints a line a setting and writes `quickstart_search.json` beside this file.
"""

import json
import os
import pathlib
import statistics

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from kerastl.apps.runs.digits_experiment import digits_methods
from kerastl.apps.runs.digits_experiment import train_digits_source
from kerastl.apps.runs.digits_experiment import train_digits_target

RESULTS = pathlib.Path(__file__).with_suffix(".json")
LEARNING_RATES = (0.05, 0.1, 0.2, 0.02)
# Pixel level, global level.
WEIGHTS = ((3, 3), (1, 1), (0.3, 0.3), (0.1, 1), (0.1, 0.1))
SEEDS = (0, 1, 2)


def settings():
    """Pairs of text and method."""
    plain, blurred, _ = digits_methods()
    yield plain.label, plain
    yield blurred.label, blurred
    for pixel, globally in WEIGHTS:
        *_, ktft = digits_methods(pixel, globally)
        yield f"{ktft.label}, weights {pixel} and {globally}", ktft


def main():
    source, _ = train_digits_source()
    rows = []
    for learning_rate in LEARNING_RATES:
        for label, method in settings():
            figures = [
                train_digits_target(method, seed, source, learning_rate)[1][
                    "validation_shifted"
                ]
                for seed in SEEDS
            ]
            rows.append(
                {
                    "method": label,
                    "learning_rate": learning_rate,
                    "accuracy_over_shifts": figures,
                    "mean": statistics.fmean(figures),
                }
            )
            print(
                f"{learning_rate:<5} {label:<42} {rows[-1]['mean']:.3f}",
                flush=True,
            )
    rows.sort(key=lambda row: -row["mean"])
    RESULTS.write_text(json.dumps(rows, indent=2) + "\n")


if __name__ == "__main__":
    main()
