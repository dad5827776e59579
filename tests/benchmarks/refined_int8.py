"""What refining the weights of an int8 file gains.

Networks are trained, and written as int8 with and without `refine`, calibrated
on 100 of the training photos: MobileNetV2 0.35 and MobileNet 0.25 at 128 px,
fine-tuned from ImageNet weights with 25 photos of each piece of clothing, on
all of them, and with `ktft`; and families without weights at hand, trained from
nothing on the signs of a hand at 64 or 32 px, until they know them. Every file
is compared with the Keras model on all photos that were not trained on: same
class, mean difference of a probability, accuracy. The processor's time of an
export is measured, and not that of the clock, because other work may run
beside it.

    python tests/benchmarks/refined_int8.py CLOTHING SIGNS WIDTH_035 WIDTH_025

CLOTHING is a folder with train, validation and test folders of class folders,
SIGNS one of class folders, the others are files of the weights of MobileNetV2
and MobileNet. Networks that were trained are kept in the work folder and not
trained again; neither is a file that was measured. `--networks` measures some,
and the results keep the rows of the others.
"""

import argparse
import dataclasses
import json
import os
import pathlib
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np

from kerastl import apps
from kerastl import export
from kerastl.apps.runs.run_identity import versions
from kerastl.export.runners.measure_file import processor_name

NUM_CALIBRATION = 100
FILES = (
    ("tflite", "int8", "none"),
    ("tflite", "int8", "auto"),
    ("onnx", "int8", "none"),
    ("onnx", "int8", "auto"),
    ("tflite", "int8_per_tensor", "none"),
    ("tflite", "int8_per_tensor", "auto"),
    ("tflite", "int8", "all"),
)


@dataclasses.dataclass(frozen=True)
class Network:
    """How one network is trained.

    Attributes:
        preset: Its name in `apps.PRESETS`.
        folder: Where it lies in the work folder.
        alpha: Its width, where it starts from weights.
        data: Name of the argument that has its photos.
        size: Of an image.
        shots: Photos of a class; `None` takes all.
        method: The recipe.
        epochs: How often it sees them.
        seeds: How many networks there are.
    """

    preset: str
    folder: str
    alpha: float | None = None
    data: str = "clothing"
    size: int = 128
    shots: int | None = 25
    method: str = "auto"
    epochs: int = 15
    seeds: int = 3


def _from_nothing(preset, epochs, seeds, size=64):
    return Network(
        preset,
        preset,
        data="signs",
        size=size,
        shots=None,
        epochs=epochs,
        seeds=seeds,
    )


NETWORKS = {
    "MobileNetV2 0.35": Network("mobilenet_v2", "mobilenet_v2", 0.35),
    "MobileNetV2 0.35, all photos": Network(
        "mobilenet_v2", "mobilenet_v2_all", 0.35, shots=None
    ),
    "MobileNetV2 0.35, ktft": Network(
        "mobilenet_v2", "mobilenet_v2_ktft", 0.35, method="ktft"
    ),
    "MobileNet 0.25": Network("mobilenet", "mobilenet", 0.25),
    "ResNet-8": _from_nothing("resnet8", 20, 3),
    "MobileNetV3 Small": _from_nothing("mobilenet_v3_small", 20, 1),
    "EfficientNetB0": _from_nothing("efficientnet_b0", 30, 1, size=32),
    "DenseNet121": _from_nothing("densenet121", 20, 1, size=32),
}
MEANS = (
    "same_class",
    "mean_difference",
    "accuracy",
    "points_lost",
    "size_bytes",
    "operators",
    "processor_seconds",
)
RESULTS = pathlib.Path(__file__).with_suffix(".json")


def place(options, network, seed):
    """The folder of a network."""
    return options.work / NETWORKS[network].folder / f"seed{seed}"


def load_data(options, network, seed):
    """The photos of a network."""
    spec = NETWORKS[network]
    # Only where the folder has no parts of its own.
    split = 0.2 if spec.data == "signs" else 0.0
    return apps.load_image_folder(
        getattr(options, spec.data),
        image_size=spec.size,
        shots=spec.shots,
        seed=seed,
        test_split=split,
    )


def train(options, network, seed):
    """The network, trained unless the work folder has it."""
    path = place(options, network, seed) / "run" / "model.keras"
    spec = NETWORKS[network]
    if not path.exists():
        start = {"weights": None}
        if spec.alpha is not None:
            start = {
                "weights": getattr(options, spec.preset),
                "preset_arguments": {"alpha": spec.alpha},
            }
        apps.fine_tune(
            load_data(options, network, seed),
            preset=spec.preset,
            method=spec.method,
            epochs=spec.epochs,
            seed=seed,
            exports=(),
            output=path.parent,
            resume=path.parent.exists(),
            **start,
        )
    return keras.models.load_model(path)


def load_photos(options, network, seed, model):
    """The data of a seed, and what the model answers to the other photos."""
    data = load_data(options, network, seed)
    return data, read_photos(data, model)


def read_photos(data, model):
    """The validation and test photos, and what the model answers to them."""
    parts = [data.images(part) for part in ("validation", "test")]
    images = np.concatenate([part[0] for part in parts]).astype("float32")
    return {
        "images": images,
        "labels": np.concatenate([part[1] for part in parts]),
        "outputs": export.load(model).predict(images),
    }


def judge_file(path, photos):
    """How a file answers beside the model: same class, and what it loses."""
    outputs = export.load(path).predict(photos["images"])
    truth, labels = photos["outputs"], photos["labels"]
    right = np.mean(outputs.argmax(1) == labels)
    lost = np.mean(truth.argmax(1) == labels) - right
    return {
        "same_class": round(
            100 * float(np.mean(outputs.argmax(1) == truth.argmax(1))), 2
        ),
        "mean_difference": round(float(np.abs(outputs - truth).mean()), 5),
        "accuracy": round(100 * float(right), 2),
        "points_lost": round(100 * float(lost), 2),
    }


def measure(model, format, scheme, refine, images, photos, work):
    export_to = {"tflite": export.to_tflite, "onnx": export.to_onnx}[format]
    start = time.process_time()
    report = export_to(
        model,
        work / f"{scheme}.{format}",
        scheme=scheme,
        calibration=images,
        num_calibration=NUM_CALIBRATION,
        overwrite=True,
        refine=export.REFINEMENTS if refine == "all" else refine,
    )
    seconds = time.process_time() - start
    row = {
        "format": format,
        "scheme": scheme,
        "refine": refine,
        **judge_file(report.path, photos),
        "size_bytes": report.size_bytes,
        "operators": sum(report.ops.values()),
        "processor_seconds": round(seconds, 1),
    }
    record = report.refinement
    if record is not None:
        row |= {
            "kept": record.kept,
            "gains": {k: round(gain, 3) for k, gain in record.gains.items()},
            "layers": len(record.layers),
            "refined_layers": sum(bool(each.done) for each in record.layers),
        }
    return row


def measure_network(options, network, seed):
    """The rows of one network; its photos are read only if one is missing."""
    folder = place(options, network, seed)
    folder.mkdir(parents=True, exist_ok=True)
    todo = {file: folder / f"{'_'.join(file)}.json" for file in FILES}
    if not all(kept.exists() for kept in todo.values()):
        model = train(options, network, seed)
        data, photos = load_photos(options, network, seed, model)
    rows = []
    for file, kept in todo.items():
        if not kept.exists():
            row = measure(model, *file, data.calibration, photos, folder)
            row = {"network": network, "seed": seed, **row}
            row["photos"] = len(photos["labels"])
            kept.write_text(json.dumps(row))
            print(json.dumps(row), flush=True)
        rows.append(json.loads(kept.read_text()))
    return rows


def mean_row(rows, network, format, scheme, refine):
    """Means of the seeds, the least agreement, and how many were kept."""
    asked = {
        "network": network,
        "format": format,
        "scheme": scheme,
        "refine": refine,
    }
    found = [row for row in rows if asked.items() <= row.items()]
    return {
        **asked,
        **{
            key: round(float(np.mean([row[key] for row in found])), 5)
            for key in MEANS
        },
        "most_points_lost": max(row["points_lost"] for row in found),
        "least_same_class": min(row["same_class"] for row in found),
        "kept": sum(row.get("kept", False) for row in found),
    }


def add_folders(parser):
    """The arguments that say where photos, weights and networks are."""
    for name in ("clothing", "signs", "mobilenet_v2", "mobilenet"):
        parser.add_argument(name, type=pathlib.Path)
    parser.add_argument(
        "--work", type=pathlib.Path, default=pathlib.Path("runs/refined_int8")
    )
    parser.add_argument("--networks", nargs="+", default=[*NETWORKS])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_folders(parser)
    options = parser.parse_args()
    before = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    rows = [
        row
        for row in before.get("runs", [])
        if row["network"] not in options.networks
    ]
    for network in options.networks:
        for seed in range(NETWORKS[network].seeds):
            rows += measure_network(options, network, seed)
        write(rows)


def write(rows):
    """Writes the results of all networks that have rows."""
    measured = [
        name for name in NETWORKS if any(row["network"] == name for row in rows)
    ]
    rows = [row for name in measured for row in rows if row["network"] == name]
    results = {
        "networks": {
            name: dataclasses.asdict(NETWORKS[name]) for name in measured
        },
        "calibration": NUM_CALIBRATION,
        "files": [
            mean_row(rows, name, *file) for name in measured for file in FILES
        ],
        "runs": rows,
        "processor": processor_name(),
        "versions": versions(),
    }
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
