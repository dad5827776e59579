"""Where the quickstart's learning rate and loss weights come from.

    python tests/benchmarks/quickstart_search.py

trains each of the quickstart's methods with every learning rate, and KTFT
with several weights of its losses, with the quickstart's three seeds. They are
judged on validation images alone: the accuracy over randomly shifted crops.
Each setting has a process of its own: TensorFlow keeps the graphs of finished
trainings, also after `keras.utils.clear_session()`.
Prints a line a setting and writes `quickstart_search.json` beside this file.
"""

import concurrent.futures
import json
import multiprocessing
import os
import pathlib
import statistics
import tempfile

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras

from kerastl.apps.runs.digits_experiment import digits_methods
from kerastl.apps.runs.digits_experiment import train_digits_source
from kerastl.apps.runs.digits_experiment import train_digits_target

RESULTS = pathlib.Path(__file__).with_suffix(".json")
LEARNING_RATES = (0.05, 0.1, 0.2, 0.02)
# Pixel level, global level.
WEIGHTS = ((3, 3), (1, 1), (0.3, 0.3), (0.1, 1), (0.1, 0.1))
SEEDS = (0, 1, 2)


def settings():
    """Rows of text, number of the method, weights of its losses."""
    plain, blurred, ktft = digits_methods()
    yield plain.label, 0, ()
    yield blurred.label, 1, ()
    for pixel, globally in WEIGHTS:
        label = f"{ktft.label}, weights {pixel} and {globally}"
        yield label, 2, (pixel, globally)


def accuracies(source, number, weights, learning_rate):
    """Returns the validation accuracy over shifts, one a seed."""
    source = keras.saving.load_model(source)
    method = digits_methods(*weights)[number]
    return [
        train_digits_target(method, seed, source, learning_rate)[1][
            "validation_shifted"
        ]
        for seed in SEEDS
    ]


def search(source):
    """Returns a row a setting.

    Args:
        source: Path of the source network.
    """
    rows = []
    with concurrent.futures.ProcessPoolExecutor(
        max_workers=1,
        mp_context=multiprocessing.get_context("spawn"),
        max_tasks_per_child=1,
    ) as pool:
        for learning_rate in LEARNING_RATES:
            for label, number, weights in settings():
                figures = pool.submit(
                    accuracies, source, number, weights, learning_rate
                ).result()
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
    return rows


def main():
    with tempfile.TemporaryDirectory() as folder:
        source, _ = train_digits_source()
        source.save(f"{folder}/source.keras")
        rows = search(f"{folder}/source.keras")
    rows.sort(key=lambda row: -row["mean"])
    RESULTS.write_text(json.dumps(rows, indent=2) + "\n")


if __name__ == "__main__":
    main()
