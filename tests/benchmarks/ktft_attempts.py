"""What was tried to make KTFT repair a blurred network better.

The task of `blur_repair.py`, and its settings for KTFT; every attempt changes
one of them. Each is judged on the validation split, by which one would choose,
and on the test split. The network before it was blurred stands beside them.

    python tests/benchmarks/ktft_attempts.py DATA WEIGHTS --seeds 1

Every run is kept in the work folder of `blur_repair.py`, so that a stopped
benchmark, or one with more seeds, goes on where it was. Figures compare within
one work folder: another one has an original of its own, trained anew. The first
seed draws the same photos for every attempt.
"""

import json
import os
import pathlib

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import blur_repair
import keras
import numpy as np

import kerastl

RESULTS = pathlib.Path(__file__).with_suffix(".json")
DEEP = blur_repair.TAPS[-1:]
KTFT = {
    "pixel": {"weight": 10.0},
    "global": {"weight": 10.0},
    "learning_rate": 0.01,
    "epochs": blur_repair.EPOCHS,
    "taps": blur_repair.TAPS,
    "stem": True,
    "reestimate": True,
    "labels": True,
    "shots": blur_repair.SHOTS,
}
RISING = dict(zip(blur_repair.TAPS, (0.2, 0.6, 1.0, 1.4, 1.8), strict=True))
ATTEMPTS = {
    "the original": None,
    "KTFT": {},
    "no re-estimation first": {"reestimate": False},
    "pixel term alone": {"global": None},
    "global term alone": {"pixel": None},
    "terms without labels": {"labels": False},
    "terms without labels, 60 epochs": {"labels": False, "epochs": 60},
    # About as many steps as 30 epochs of 25 photos a class.
    "terms without labels, all photos": {
        "labels": False,
        "shots": None,
        "epochs": 3,
    },
    "labels count a tenth": {
        "pixel": {"weight": 100.0},
        "global": {"weight": 100.0},
        "learning_rate": 0.001,
    },
    "60 epochs": {"epochs": 60},
    "rate 0.003": {"learning_rate": 0.003},
    "stem not blurred": {"stem": False},
    "last tap only": {"taps": DEEP},
    "later taps count more": {
        "pixel": {"weight": 10.0, "tap_weights": RISING},
        "global": {"weight": 10.0, "tap_weights": RISING},
    },
    "Gram matrix as descriptor": {
        "global": {"weight": 10.0, "descriptor": "gram"}
    },
    "attention as descriptor": {
        "global": {"weight": 10.0, "descriptor": "attention"}
    },
    "similarity as descriptor": {
        "global": {"weight": 10.0, "descriptor": "similarity"}
    },
    "fine-tuning": {"pixel": None, "global": None, "learning_rate": 0.0003},
}


def repair(original, setting, data, seed):
    keras.utils.set_random_seed(seed)
    model = kerastl.antialias(original, kernel_size=3, stem=setting["stem"])
    if setting["reestimate"]:
        kerastl.reestimate_batch_norm(model, data.calibration)
    terms = [
        loss(**setting[name], relative=True)
        for name, loss in blur_repair.LOSSES.items()
        if setting[name]
    ]
    blur_repair.train(
        model,
        data,
        setting["learning_rate"],
        setting["epochs"],
        source=original if terms else None,
        losses=terms or None,
        taps=setting["taps"],
        loss="sparse_categorical_crossentropy" if setting["labels"] else None,
    )
    return model


def attempt(name, seed, original, folder, path):
    """Repairs, measures, and keeps the network at `path`."""
    setting = {**KTFT, **(ATTEMPTS[name] or {})}
    data = blur_repair.load(folder, shots=setting["shots"], seed=seed)
    model = original
    if ATTEMPTS[name] is not None:
        model = repair(original, setting, data, seed)
        model.save(path)
    return {
        "attempt": name,
        "seed": seed,
        **{
            part: blur_repair.measure(model, data, part)
            for part in ("validation", "test")
        },
    }


def summarize(work, path):
    runs = blur_repair.read_runs(work, "attempt-*.json")
    rows = []
    for name in ATTEMPTS:
        mine = [run for run in runs if run["attempt"] == name]
        if not mine:
            continue
        row = {"attempt": name, "runs": len(mine)}
        for part in ("validation", "test"):
            for key in ("accuracy", "shifted_accuracy", "consistency"):
                values = [run[part][key] for run in mine]
                row[f"{part}_{key}"] = round(float(np.mean(values)), 2)
        rows.append(row)
        print(json.dumps(row))
    results = {"keras": keras.__version__, "table": rows, "runs": runs}
    path.write_text(json.dumps(results, indent=1) + "\n")


def main():
    arguments = blur_repair.read_arguments(
        __doc__, ATTEMPTS, seeds=3, results=RESULTS
    )
    work = arguments.work
    original = blur_repair.trained_original(
        arguments.data, arguments.weights, work / "original.keras"
    )
    for seed in range(arguments.seeds):
        for name in arguments.only:
            file = work / f"attempt-{name.replace(' ', '_')}-{seed}.json"

            def run(name=name, seed=seed, file=file):
                path = file.with_suffix(".keras")
                return attempt(name, seed, original, arguments.data, path)

            blur_repair.kept(file, run)
    summarize(work, arguments.results)


if __name__ == "__main__":
    main()
