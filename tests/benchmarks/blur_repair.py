"""How well a blurred network is repaired with 25 images a class.

A MobileNetV2 0.35 is fine-tuned on a whole training set; then blurs are put
into it, and every method repairs it with a few images a class. Accuracy and
shift consistency are measured on the test split. Every trained method gets
the same number of settings to choose from on the validation split (first
seed), then runs with its best setting over all seeds; the seed draws the
images as well.

    python tests/benchmarks/blur_repair.py DATA WEIGHTS

DATA is a folder with train, validation and test folders of class folders;
WEIGHTS are headless ImageNet weights of MobileNetV2 0.35. Every run is kept in
the work folder and not repeated, so that a stopped benchmark goes on where it
was, and `--only` can run a part of the methods in a process of its own.
"""

import argparse
import json
import os
import pathlib
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
from scipy import stats

import kerastl
import kerastl.export
from kerastl import apps
from kerastl.apps.runs.train_aware import train_aware

IMAGE_SIZE = 128
MARGIN = 16
SHOTS = 25
EPOCHS = 30
BATCH_SIZE = 32
# Epochs of quantization-aware training.
QAT = 10
TAPS = [
    "block_1_project_BN",
    "block_2_add",
    "block_5_add",
    "block_12_add",
    "out_relu",
]
RESULTS = pathlib.Path(__file__).with_suffix(".json")
PLAIN = [{"learning_rate": rate} for rate in (0.0003, 0.001, 0.003)]
KTFT = [
    {"learning_rate": 0.01, "pixel": weight, "global": weight}
    for weight in (3, 10, 30)
]
LOSSES = {
    "pixel": kerastl.losses.PixelLevel,
    "global": kerastl.losses.GlobalLevel,
}
# Every method: whether the network is blurred, whether its BatchNorm
# statistics are measured anew first, and the settings that it chooses from.
METHODS = {
    "original": {"blur": False},
    "blurred": {"blur": True},
    "reestimated": {"blur": True, "reestimate": True},
    "fine_tuned_original": {"blur": False, "settings": PLAIN},
    "fine_tuned": {"blur": True, "reestimate": True, "settings": PLAIN},
    "ktft": {"blur": True, "reestimate": True, "settings": KTFT},
}


def load(data, shots=None, seed=0):
    return apps.load_image_folder(
        data,
        image_size=IMAGE_SIZE,
        batch_size=BATCH_SIZE,
        margin=MARGIN,
        shots=shots,
        seed=seed,
    )


def train(
    model,
    data,
    learning_rate,
    epochs,
    source=None,
    losses=None,
    taps=TAPS,
    loss="sparse_categorical_crossentropy",
):
    """Fine-tunes `model` in place: SGD, momentum 0.9, cosine decay."""
    images = sum(data.counts["train"].values())
    steps = -(-images // BATCH_SIZE) * epochs
    tuner = kerastl.FineTuner(model, source=source, taps=source and taps)
    tuner.compile(
        optimizer=keras.optimizers.SGD(
            keras.optimizers.schedules.CosineDecay(learning_rate, steps),
            momentum=0.9,
        ),
        loss=loss,
        transfer_losses=losses,
        jit_compile=False,
    )
    tuner.fit(data.train, epochs=epochs, verbose=0)


def trained_original(data, weights, path):
    """The network that is going to be blurred, trained once and kept."""
    if path.exists():
        return keras.models.load_model(path)
    keras.utils.set_random_seed(0)
    model = apps.MobileNetV2(
        weights=weights,
        input_shape=(IMAGE_SIZE, IMAGE_SIZE, 3),
        alpha=0.35,
        include_top=False,
    )
    model = kerastl.replace_head(model, 10, dropout=0.2, seed=0)
    train(model, load(data), learning_rate=0.01, epochs=20)
    path.parent.mkdir(parents=True, exist_ok=True)
    model.save(path)
    return model


def repair(original, method, setting, data, seed):
    keras.utils.set_random_seed(seed)
    if method["blur"]:
        model = kerastl.antialias(original, kernel_size=3)
    else:
        model = kerastl.surgery.copy_model(original)
    if method.get("reestimate"):
        kerastl.reestimate_batch_norm(model, data.calibration)
    if setting:
        losses = [
            loss(setting[name], relative=True)
            for name, loss in LOSSES.items()
            if setting.get(name)
        ]
        train(
            model,
            data,
            setting["learning_rate"],
            EPOCHS,
            source=original if losses else None,
            losses=losses,
        )
    return model


def measure(model, data, part):
    """Accuracy and shift consistency of a model on one part, in percent."""
    images, labels = data.larger_images(part, margin=0)
    scores = model.predict(images, batch_size=64, verbose=0)
    larger, _ = data.larger_images(part, margin=MARGIN)
    consistency, shifted = kerastl.metrics.shift_consistency(
        model,
        larger,
        IMAGE_SIZE,
        labels=labels,
        passes=5,
    )
    return {
        "accuracy": 100 * float(np.mean(np.argmax(scores, -1) == labels)),
        "shifted_accuracy": 100 * shifted,
        "consistency": 100 * consistency,
    }


def kept(path, compute):
    """The JSON at `path`, computed and written first if it is not there."""
    if not path.exists():
        started = time.perf_counter()
        result = compute()
        result["seconds"] = round(time.perf_counter() - started)
        beside = path.with_suffix(".part")
        beside.write_text(json.dumps(result, indent=1) + "\n")
        os.replace(beside, path)
        print(path.stem, json.dumps(result), flush=True)
    return json.loads(path.read_text())


def best_setting(original, name, data_folder, work):
    """The setting with the best accuracy over shifted validation images."""
    results = []
    for setting in METHODS[name].get("settings", []):

        def search(setting=setting):
            data = load(data_folder, shots=SHOTS, seed=0)
            model = repair(original, METHODS[name], setting, data, seed=0)
            return {
                "method": name,
                "setting": setting,
                **measure(model, data, "validation"),
            }

        values = "-".join(map(str, setting.values()))
        results.append(kept(work / f"search-{name}-{values}.json", search))
    if not results:
        return None
    return max(results, key=lambda r: r["shifted_accuracy"])["setting"]


def export(model_path, data_folder, work):
    """The int8 files of a model, judged on validation and test together.

    As it is, and trained on with the rounding, as `kerastl finetune --qat`
    does it, on the images that the model was repaired with.
    """
    data = load(data_folder, shots=SHOTS, seed=0)
    model = keras.models.load_model(model_path)
    parts = [data.images(part) for part in ("validation", "test")]
    evaluation = tuple(
        np.concatenate(pair) for pair in zip(*parts, strict=True)
    )
    keras.utils.set_random_seed(0)
    networks = {"ktft": model, "ktft_qat": train_aware(model, data, QAT)[0]}
    reports = []
    for name, network in networks.items():
        for write, suffix in (
            (kerastl.export.to_tflite, "tflite"),
            (kerastl.export.to_onnx, "onnx"),
        ):
            aware = network is not model
            report = write(
                network,
                work / f"{name}.{suffix}",
                scheme="int8",
                calibration=None if aware else data.calibration,
                evaluation=evaluation,
                num_calibration=SHOTS * data.num_classes,
                compare_to=model if aware else None,
                overwrite=True,
            ).to_dict()
            report["path"] = f"{name}.{suffix}"
            reports.append(report)
    return {"images": len(evaluation[1]), "qat": QAT, "files": reports}


def read_arguments(description, names, seeds, results):
    """The command line: data, weights, what to run and where to keep it."""
    parser = argparse.ArgumentParser(description=description.split("\n\n")[0])
    parser.add_argument("data", type=pathlib.Path)
    parser.add_argument("weights", type=pathlib.Path)
    parser.add_argument("--only", nargs="*", default=list(names))
    parser.add_argument("--seeds", type=int, default=seeds)
    parser.add_argument(
        "--work", type=pathlib.Path, default=pathlib.Path("runs/blur_repair")
    )
    parser.add_argument("--results", type=pathlib.Path, default=results)
    return parser.parse_args()


def main():
    arguments = read_arguments(__doc__, METHODS, seeds=5, results=RESULTS)
    work = arguments.work
    work.mkdir(parents=True, exist_ok=True)
    original = trained_original(
        arguments.data, arguments.weights, work / "original.keras"
    )
    for name in arguments.only:
        setting = best_setting(original, name, arguments.data, work)
        # Without images to draw, all seeds would give the same.
        draws = setting or METHODS[name].get("reestimate")
        for seed in range(arguments.seeds if draws else 1):

            def final(name=name, setting=setting, seed=seed):
                data = load(arguments.data, shots=SHOTS, seed=seed)
                model = repair(original, METHODS[name], setting, data, seed)
                if seed == 0:
                    model.save(work / f"{name}.keras")
                return {
                    "method": name,
                    "setting": setting,
                    "seed": seed,
                    **measure(model, data, "test"),
                }

            kept(work / f"seed-{name}-{seed}.json", final)
    if (work / "ktft.keras").exists():
        kept(
            work / "export.json",
            lambda: export(work / "ktft.keras", arguments.data, work),
        )
    summarize(work, arguments.results)


def read_runs(work, pattern):
    return [json.loads(path.read_text()) for path in sorted(work.glob(pattern))]


def summarize(work, path):
    """Writes one results file of all runs that are there, and the table."""

    finals = read_runs(work, "seed-*.json")
    rows = []
    for name in METHODS:
        runs = [run for run in finals if run["method"] == name]
        if not runs:
            continue
        row = {"method": name, "setting": runs[0]["setting"], "runs": len(runs)}
        for key in ("accuracy", "shifted_accuracy", "consistency"):
            values = np.array([run[key] for run in runs])
            row[key] = round(float(values.mean()), 2)
            # Half the width of the 95 % interval of the mean over seeds.
            error = stats.sem(values) * stats.t.ppf(0.975, len(values) - 1)
            row[f"{key}_interval"] = round(float(np.nan_to_num(error)), 2)
        rows.append(row)
        print(json.dumps(row))
    results = {
        "keras": keras.__version__,
        "table": rows,
        "runs": finals,
        "search": read_runs(work, "search-*.json"),
        "export": read_runs(work, "export.json"),
    }
    path.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
