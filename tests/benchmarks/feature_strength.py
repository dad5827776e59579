"""How strongly to hold the features, where the classes are new.

    kerastl quickstart
    python tests/benchmarks/feature_strength.py \\
        DATA WEIGHTS runs/quickstart/source/model.keras

runs `kerastl finetune --method NAME --strength FACTOR` for the methods that
compare features with the source's, at factors of the weights in their rows, and
plain fine-tuning beside them: anti-aliased, 25 images a class, 20 epochs, on
DATA at 96 px from WEIGHTS, of a MobileNetV2 0.35 without classifier, and on the
bundled digits 5 to 9 at 24 px from the quickstart's ResNet-8. One would choose
a factor by the last epoch's accuracy on the validation images. Where the loss
exploded there are no figures. Results are kept as they come; what is there is
not run again.
"""

import argparse
import json
import pathlib
import statistics
import subprocess

import method_accuracy

from kerastl.apps.runs.run_identity import versions

RESULTS = pathlib.Path(__file__).with_suffix(".json")
EPOCHS = 20
METHODS = ("ktft", "delta", "feature_map")
STRENGTHS = (10.0, 100.0, 1000.0)
MEASURES = ("validation", "accuracy", "consistency")


def wanted(networks, data, seeds):
    """Task, network, method, factor and seed of every run."""
    settings = [("fine_tune", 1.0)]
    settings += [(name, each) for each in STRENGTHS for name in METHODS]
    for seed in range(seeds):
        for task, network in (
            ("digits", "ResNet-8"),
            (data, "MobileNetV2 0.35"),
        ):
            for method, strength in settings:
                yield task, networks[network], method, strength, seed


def mean(values):
    return None if None in values else round(statistics.fmean(values), 1)


def measured(*arguments):
    """As `method_accuracy.run`, without figures where the loss exploded."""
    try:
        return method_accuracy.run(*arguments)
    except subprocess.CalledProcessError as error:
        # `kerastl finetune` says so by this exit code.
        if error.returncode != 1:
            raise
        return dict.fromkeys(MEASURES)


def summarize(runs):
    """Means over the seeds."""
    groups = {}
    for run in runs:
        key = run["data"], run["method"], run["strength"]
        groups.setdefault(key, []).append(run)
    return [
        {
            **dict(zip(("data", "method", "strength"), key, strict=True)),
            "runs": len(group),
            **{name: mean([run[name] for run in group]) for name in MEASURES},
        }
        for key, group in groups.items()
    ]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=pathlib.Path)
    parser.add_argument("weights", type=pathlib.Path)
    parser.add_argument("digits_source", type=pathlib.Path)
    parser.add_argument("--seeds", type=int, default=2)
    options = parser.parse_args()
    runs = json.loads(RESULTS.read_text())["runs"] if RESULTS.exists() else []
    networks = method_accuracy.networks(
        options.weights, None, options.digits_source
    )
    for task, network, method, strength, seed in wanted(
        networks, options.data, options.seeds
    ):
        row = {
            "data": pathlib.Path(task).name,
            "method": method,
            "strength": strength,
            "seed": seed,
        }
        if any(row.items() <= each.items() for each in runs):
            continue
        more = ["--seed", str(seed)]
        if strength != 1:
            more += ["--strength", str(strength)]
        row |= measured(method, task, network, EPOCHS, *more)
        print(json.dumps(row), flush=True)
        runs.append(row)
        results = {
            "shots": method_accuracy.SHOTS,
            "epochs": EPOCHS,
            "antialias": 3,
            "blur_place": "after",
            "table": summarize(runs),
            "runs": runs,
            "versions": versions(),
        }
        RESULTS.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
