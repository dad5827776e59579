"""What refining the weights of an int8 file gains.

MobileNetV2 0.35 at 128 px with ImageNet weights is fine-tuned with 25 photos
a class, with three seeds, and written as int8 with and without `refine`,
calibrated on 100 of the training photos. Every file is compared with the Keras
model on all validation and test photos: same class, mean difference of a
probability, accuracy. The processor's time of an export is measured, and not
that of the clock, because other work may run beside it.

    python tests/benchmarks/refined_int8.py DATA WEIGHTS

DATA is a folder with train, validation and test folders of class folders,
WEIGHTS a file of MobileNetV2 0.35. Networks that were trained are kept in the
work folder and not trained again; neither is a file that was measured.
"""

import argparse
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

IMAGE_SIZE = 128
SHOTS = 25
EPOCHS = 15
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


def train(options, seed):
    """The network, trained unless the work folder has it."""
    path = options.work / f"seed{seed}" / "run" / "model.keras"
    if not path.exists():
        apps.fine_tune(
            options.data,
            preset="mobilenet_v2",
            weights=options.weights,
            preset_arguments={"alpha": 0.35},
            image_size=IMAGE_SIZE,
            shots=SHOTS,
            epochs=EPOCHS,
            seed=seed,
            exports=(),
            output=path.parent,
        )
    return keras.models.load_model(path)


def measure(model, format, scheme, refine, images, photos, work):
    write = {"tflite": export.to_tflite, "onnx": export.to_onnx}[format]
    start = time.process_time()
    report = write(
        model,
        work / f"{scheme}.{format}",
        scheme=scheme,
        calibration=images,
        num_calibration=NUM_CALIBRATION,
        overwrite=True,
        refine=export.REFINEMENTS if refine == "all" else refine,
    )
    seconds = time.process_time() - start
    outputs = export.load(report.path).predict(photos["images"])
    truth, labels = photos["outputs"], photos["labels"]
    right = np.mean(outputs.argmax(1) == labels)
    row = {
        "format": format,
        "scheme": scheme,
        "refine": refine,
        "same_class": round(
            100 * float(np.mean(outputs.argmax(1) == truth.argmax(1))), 2
        ),
        "mean_difference": round(float(np.abs(outputs - truth).mean()), 5),
        "accuracy": round(100 * float(right), 2),
        "points_lost": round(
            100 * float(np.mean(truth.argmax(1) == labels) - right), 2
        ),
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


def measure_seed(options, seed):
    """The rows of one network; its photos are read only if one is missing."""
    folder = options.work / f"seed{seed}"
    folder.mkdir(parents=True, exist_ok=True)
    todo = {file: folder / f"{'_'.join(file)}.json" for file in FILES}
    if not all(kept.exists() for kept in todo.values()):
        model = train(options, seed)
        data = apps.load_image_folder(
            options.data, image_size=IMAGE_SIZE, shots=SHOTS, seed=seed
        )
        parts = [data.images(part) for part in ("validation", "test")]
        images = np.concatenate([part[0] for part in parts]).astype("float32")
        photos = {
            "images": images,
            "labels": np.concatenate([part[1] for part in parts]),
            "outputs": export.load(model).predict(images),
        }
    rows = []
    for file, kept in todo.items():
        if not kept.exists():
            row = measure(model, *file, data.calibration, photos, folder)
            row |= {"seed": seed, "photos": len(images)}
            kept.write_text(json.dumps(row))
            print(json.dumps(row), flush=True)
        rows.append(json.loads(kept.read_text()))
    return rows


def mean_row(rows, format, scheme, refine):
    """Means of the seeds, the least agreement, and how many were kept."""
    found = [
        row
        for row in rows
        if (row["format"], row["scheme"], row["refine"])
        == (format, scheme, refine)
    ]
    return {
        "format": format,
        "scheme": scheme,
        "refine": refine,
        **{
            key: round(float(np.mean([row[key] for row in found])), 5)
            for key in MEANS
        },
        "least_same_class": min(row["same_class"] for row in found),
        "kept": sum(row.get("kept", False) for row in found),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=pathlib.Path)
    parser.add_argument("weights", type=pathlib.Path)
    parser.add_argument(
        "--work", type=pathlib.Path, default=pathlib.Path("runs/refined_int8")
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    options = parser.parse_args()
    rows = [
        row for seed in options.seeds for row in measure_seed(options, seed)
    ]
    results = {
        "network": "MobileNetV2 0.35, 128 px, fine-tuned with 25 a class",
        "seeds": len(options.seeds),
        "photos": rows[0]["photos"],
        "calibration": NUM_CALIBRATION,
        "files": [mean_row(rows, *file) for file in FILES],
        "runs": rows,
        "processor": processor_name(),
        "versions": versions(),
    }
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
