"""Every method out of the box, on the same few photos.

    python tests/benchmarks/method_accuracy.py DATA WEIGHTS WEIGHTS_WITH_HEAD

runs `kerastl finetune DATA --method NAME` for every method, with its own
defaults: anti-aliased, 25 photos a class, 12 epochs at 96 px. WEIGHTS are those
of a MobileNetV2 0.35 without classifier. Methods that read the source's
classifier start from WEIGHTS_WITH_HEAD, of a MobileNet 0.25 with 1000 classes,
and so does a second plain fine-tuning to hold them against. Accuracy and shift
consistency are of the test photos. Results are kept as they come; what is there
is not run again.

One seed, and no method's settings were searched: this shows that each runs as
a user would run it, and where its defaults lead on a task of this kind. It does
not rank methods that are within a few points of each other.
"""

import argparse
import json
import pathlib
import subprocess
import tempfile

from kerastl import apps
from kerastl.apps.runs.versions import versions

RESULTS = pathlib.Path(__file__).with_suffix(".json")
IMAGE_SIZE = 96
SHOTS = 25
EPOCHS = 12


def run(method, data, preset, weights, alpha):
    """Accuracy and shift consistency in percent, and the seconds it took."""
    with tempfile.TemporaryDirectory() as folder:
        output = pathlib.Path(folder) / "run"
        subprocess.run(
            [
                *("kerastl", "finetune", str(data), "--method", method),
                *("--preset", preset, "--alpha", str(alpha)),
                *("--weights", str(weights), "--antialias", "3"),
                *("--image-size", str(IMAGE_SIZE), "--shots", str(SHOTS)),
                *("--epochs", str(EPOCHS), "--export", "none"),
                *("--output", str(output), "--json"),
            ],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        report = json.loads((output / "report.json").read_text())
    measured = report["measures"]["rows"][-1]
    return {
        "accuracy": round(100 * measured["accuracy"], 1),
        "consistency": round(100 * measured["consistency"], 1),
        "learning_rate": report["settings"]["learning_rate"],
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=pathlib.Path)
    parser.add_argument("weights", type=pathlib.Path)
    parser.add_argument("weights_with_head", type=pathlib.Path)
    options = parser.parse_args()
    networks = {
        "MobileNetV2 0.35": ("mobilenet_v2", options.weights, 0.35),
        "MobileNet 0.25": ("mobilenet", options.weights_with_head, 0.25),
    }
    plain, with_head = networks
    found = json.loads(RESULTS.read_text())["runs"] if RESULTS.exists() else []
    wanted = [(plain, name) for name in apps.RECIPES]
    wanted.insert(0, (with_head, "fine_tune"))
    for network, name in wanted:
        if apps.RECIPES[name].needs_source_head:
            network = with_head
        if any((r["network"], r["method"]) == (network, name) for r in found):
            continue
        row = {"network": network, "method": name}
        row |= run(name, options.data, *networks[network])
        print(json.dumps(row), flush=True)
        found.append(row)
        results = {
            "data": options.data.name,
            "image_size": IMAGE_SIZE,
            "shots": SHOTS,
            "epochs": EPOCHS,
            "antialias": 3,
            "runs": found,
            "versions": versions(),
        }
        RESULTS.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
