"""What every way to write a network for the edge costs and gains.

A trained network is written as every scheme of `kerastl.export`, as it is and
trained on, pruned or clustered. Quantization-aware copies of these are trained
as `kerastl finetune --qat` trains them: their features held to those of the
network that they are copies of. All of this takes all training images. Every
file is run by its runtime: accuracy on validation and test images together,
shift consistency on test images, size, zipped size, latency of one image on one
thread (all files in turn in one process).

    python tests/benchmarks/edge_files.py DATA NETWORK

DATA is a folder with train, validation and test folders of class folders.
NETWORK is a trained classifier of them, such as those that `ktft_attempts.py`
leaves in its work folder. Networks that were trained on are kept in the work
folder and not trained again.
"""

import argparse
import json
import os
import pathlib
import zlib

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np

import kerastl
from kerastl import apps
from kerastl import export
from kerastl.apps.benchmark import benchmark
from kerastl.apps.runs.run_identity import versions
from kerastl.apps.runs.train_aware import train_aware

IMAGE_SIZE = 128
BATCH_SIZE = 32
# Further training, of the float networks and of the quantization-aware ones.
EPOCHS = 2
# Of the float networks; `train_aware` has its own.
LEARNING_RATE = 0.0003
SPARSITY = 0.5
CLUSTERS = 32
SHIFT_PASSES = 5
RESULTS = pathlib.Path(__file__).with_suffix(".json")


def tuned(model, data, *callbacks):
    """A copy, trained on: SGD, momentum 0.9, cosine decay."""
    copy = kerastl.surgery.copy_model(model)
    schedule = keras.optimizers.schedules.CosineDecay(
        LEARNING_RATE, total_steps(data)
    )
    tuner = kerastl.FineTuner(copy)
    tuner.compile(
        optimizer=keras.optimizers.SGD(schedule, momentum=0.9),
        loss="sparse_categorical_crossentropy",
        jit_compile=False,
    )
    tuner.fit(data.train, epochs=EPOCHS, callbacks=list(callbacks), verbose=2)
    return copy


def total_steps(data):
    return -(-len(data.parts["train"]) // BATCH_SIZE) * EPOCHS


def aware(model, data):
    """A quantization-aware copy, trained on."""
    return train_aware(model, data, EPOCHS)[0]


def pruning(data):
    return kerastl.callbacks.MagnitudePruning(
        kerastl.schedules.PolynomialSparsity(
            0.0, SPARSITY, 0, total_steps(data) * 2 // 3, frequency=5
        )
    )


def train_networks(trained, data, work):
    """The float networks and the quantization-aware ones, by name."""

    def kept(name, make):
        path = work / f"{name}.keras"
        if not path.exists():
            keras.utils.set_random_seed(0)
            print(name, flush=True)
            make().save(path)
        return keras.models.load_model(path)

    clustering = kerastl.callbacks.WeightClustering(CLUSTERS)
    networks = {"float": trained}
    for name, make in {
        "tuned": lambda: tuned(networks["float"], data),
        "pruned": lambda: tuned(networks["float"], data, pruning(data)),
        "clustered": lambda: tuned(networks["float"], data, clustering),
        "qat": lambda: aware(networks["float"], data),
        "pruned_qat": lambda: aware(networks["pruned"], data),
        "clustered_qat": lambda: aware(networks["clustered"], data),
    }.items():
        networks[name] = kept(name, make)
    return networks


def files(networks):
    """Network, format and scheme of every file."""
    rows = [
        ("float", format, scheme)
        for format, schemes in export.SCHEMES.items()
        for scheme in schemes
    ]
    for network in ("tuned", "pruned", "clustered"):
        rows += [(network, "tflite", "int8"), (network, "onnx", "int8")]
    for network in ("qat", "pruned_qat", "clustered_qat"):
        rows += [(network, "tflite", "int8"), (network, "onnx", "int8")]
    return rows


def judge(path, data):
    """Accuracy on validation and test images, consistency on test images."""
    predict = export.load(path).predict
    right = [
        np.argmax(predict(images.astype("float32")), -1) == labels
        for images, labels in map(data.images, ("validation", "test"))
    ]
    larger, _ = data.larger_images("test")
    consistency, _ = kerastl.metrics.shift_consistency(
        lambda crops: predict(crops.astype("float32")),
        larger,
        IMAGE_SIZE,
        labels=data.images("test")[1],
        passes=SHIFT_PASSES,
    )
    return {
        "accuracy": round(100 * float(np.mean(np.concatenate(right))), 2),
        "consistency": round(100 * consistency, 2),
    }


def write(networks, data, work):
    """Writes and judges every file, then times them in one run."""
    rows = []
    for network, format, scheme in files(networks):
        path = work / f"{network}_{scheme}.{format}"
        to_file = export.to_tflite if format == "tflite" else export.to_onnx
        needs = export.SCHEMES[format][scheme].needs_calibration
        calibrated = needs and not network.endswith("qat")
        to_file(
            networks[network],
            path,
            scheme=scheme,
            calibration=data.calibration if calibrated else None,
            num_calibration=300,
            overwrite=True,
        )
        content = path.read_bytes()
        row = {
            "network": network,
            "format": format,
            "scheme": scheme,
            **judge(path, data),
            "size_bytes": len(content),
            "zipped_bytes": len(zlib.compress(content, 9)),
        }
        print(json.dumps(row), flush=True)
        rows.append(row)
    paths = [
        work / f"{row['network']}_{row['scheme']}.{row['format']}"
        for row in rows
    ]
    timed = benchmark(paths, threads=[1], seconds=2.0)
    for row, figures in zip(rows, timed.rows, strict=True):
        row["latency_ms"] = figures["timings"][0]["latency_ms"]
    return rows, timed.processor


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=pathlib.Path)
    parser.add_argument("network", type=pathlib.Path)
    parser.add_argument(
        "--work", type=pathlib.Path, default=pathlib.Path("runs/edge_files")
    )
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    data = apps.load_image_folder(
        options.data, image_size=IMAGE_SIZE, batch_size=BATCH_SIZE, seed=0
    )
    trained = keras.models.load_model(options.network)
    networks = train_networks(trained, data, options.work)
    rows, processor = write(networks, data, options.work)
    # The network itself; its float32 file computes the same.
    reference = next(row for row in rows if row["scheme"] == "float32")
    for row in rows:
        row["points_lost"] = round(reference["accuracy"] - row["accuracy"], 2)
    results = {
        "network": (
            "anti-aliased MobileNetV2 0.35, 128 px, repaired by KTFT without "
            "labels"
        ),
        "images": len(data.parts["validation"]) + len(data.parts["test"]),
        "training_images": len(data.parts["train"]),
        "epochs": EPOCHS,
        "learning_rate": LEARNING_RATE,
        "sparsity": SPARSITY,
        "clusters": CLUSTERS,
        "files": rows,
        "processor": processor,
        "versions": versions(),
    }
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
