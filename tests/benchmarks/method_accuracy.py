"""Every method out of the box, on the same few images.

    kerastl quickstart
    python tests/benchmarks/method_accuracy.py \\
        DATA WEIGHTS WEIGHTS_WITH_HEAD runs/quickstart/source/model.keras

runs `kerastl finetune --method NAME` for every method, with its own defaults:
anti-aliased, 25 images a class, 8 epochs. On DATA at 96 px WEIGHTS are those
of a MobileNetV2 0.35 without classifier. Methods that read the source's
classifier start from WEIGHTS_WITH_HEAD, of a MobileNet 0.25 with 1000 classes,
and so does a second plain fine-tuning to hold them against. On the bundled
digits 5 to 9 at 24 px every method starts from the quickstart's ResNet-8, which
knows the digits 0 to 4. Accuracy and shift consistency are of the test images,
`validation` is the last epoch's accuracy on the validation images. Results are
kept as they come; what is there is not run again.

One seed, and no method's settings were searched: this shows that each runs as
a user would run it, and where its defaults lead on two tasks. It does not rank
methods that are within a few points of each other.
"""

import argparse
import json
import pathlib
import subprocess
import tempfile

from kerastl import apps
from kerastl.apps.runs.run_identity import versions

RESULTS = pathlib.Path(__file__).with_suffix(".json")
SHOTS = 25
EPOCHS = 8


def run(method, data, network, epochs=EPOCHS, *more):
    """The rate it took, the last validation and the test, in percent."""
    with tempfile.TemporaryDirectory() as folder:
        output = pathlib.Path(folder) / "run"
        subprocess.run(
            [
                *("kerastl", "finetune", str(data), "--method", method),
                *network,
                *("--antialias", "3", "--blur-place", "after"),
                *("--shots", str(SHOTS)),
                *("--epochs", str(epochs), "--export", "none"),
                *("--output", str(output), "--json", *more),
            ],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        report = json.loads((output / "report.json").read_text())
    measured = report["measures"]["rows"][-1]
    validation = report["history"]["val_accuracy"][-1]
    return {
        "validation": round(100 * validation, 1),
        "accuracy": round(100 * measured["accuracy"], 1),
        "consistency": round(100 * measured["consistency"], 1),
        "learning_rate": report["settings"]["learning_rate"],
    }


def networks(weights, weights_with_head, digits_source):
    """The command-line arguments of each network, by its name."""

    def arguments(preset, path, size, *more):
        return [
            *("--preset", preset, "--weights", str(path)),
            *("--image-size", str(size), *more),
        ]

    return {
        "MobileNetV2 0.35": arguments(
            "mobilenet_v2", weights, 96, "--alpha", "0.35"
        ),
        "MobileNet 0.25": arguments(
            "mobilenet", weights_with_head, 96, "--alpha", "0.25"
        ),
        "ResNet-8": arguments("resnet8", digits_source, 24),
    }


def wanted(folder):
    """Data, network and method of every run."""
    plain, with_head, digits = "MobileNetV2 0.35", "MobileNet 0.25", "ResNet-8"
    rows = [("digits", digits, name) for name in apps.RECIPES]
    rows.append((folder, with_head, "fine_tune"))
    for name, recipe in apps.RECIPES.items():
        network = with_head if recipe.needs_source_head else plain
        rows.append((folder, network, name))
    # It trains nothing, and so needs a classifier of these very classes.
    return [row for row in rows if row[-1] != "reestimate"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=pathlib.Path)
    parser.add_argument("weights", type=pathlib.Path)
    parser.add_argument("weights_with_head", type=pathlib.Path)
    parser.add_argument("digits_source", type=pathlib.Path)
    options = parser.parse_args()
    found = json.loads(RESULTS.read_text())["runs"] if RESULTS.exists() else []
    known = networks(
        options.weights, options.weights_with_head, options.digits_source
    )
    for data, network, method in wanted(options.data):
        row = {
            "data": pathlib.Path(data).name,
            "network": network,
            "method": method,
        }
        if any(row.items() <= each.items() for each in found):
            continue
        row |= run(method, data, known[network])
        print(json.dumps(row), flush=True)
        found.append(row)
        results = {
            "shots": SHOTS,
            "epochs": EPOCHS,
            "antialias": 3,
            "blur_place": "after",
            "runs": found,
            "versions": versions(),
        }
        RESULTS.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
