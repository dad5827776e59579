"""What int8 costs the networks that are known to be hard, and its repair.

    python tests/benchmarks/selective_precision.py

writes `selective_precision.json` beside this file; `--networks` measures some
and keeps the results of the others. MobileNetV3 Small,
EfficientNetB0 and DenseNet121 are trained for a few epochs on scikit-learn's
digits at 32 px, then written as int8 with the fewest layers in float that
keep the loss within one point, as TFLite and as ONNX. One part of the digits
chooses the layers, another one tells what the file is worth. Weights that are
trained from nothing on small pictures are no stand-in for ImageNet's: this
shows how the search behaves on these graphs, and not what int8 costs a
pre-trained network. Times are left out: they belong on a quiet machine.
"""

import argparse
import json
import os
import pathlib
import tempfile

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
from sklearn.datasets import load_digits

import kerastl
from kerastl import apps
from kerastl import export

RESULTS = pathlib.Path(__file__).with_suffix(".json")
NETWORKS = {
    "MobileNetV3 Small": apps.MobileNetV3Small,
    "EfficientNetB0": apps.EfficientNetB0,
    "DenseNet121": apps.DenseNet121,
}
MAX_DROP = 0.01
SIZE = 32
CUTS = (800, 1300)


def load_parts(seed):
    """Training, choosing and test digits, RGB in 0..255."""
    bundle = load_digits()
    images = np.repeat(bundle.images[..., None] * (255 / 16), 3, axis=-1)
    images = keras.ops.image.resize(images, (SIZE, SIZE))
    images = np.asarray(images, "float32")
    order = np.random.default_rng(seed).permutation(len(images))
    return [
        (images[part], bundle.target[part]) for part in np.split(order, CUTS)
    ]


def train(build, data, epochs, seed):
    keras.utils.set_random_seed(seed)
    model = build(weights=None, input_shape=(SIZE, SIZE, 3), classes=10)
    # The networks' own momentum needs more steps than there are here.
    kerastl.surgery.set_batch_norm(model, momentum=0.9)
    steps = epochs * len(data[0]) // 32
    model.compile(
        keras.optimizers.Adam(
            keras.optimizers.schedules.CosineDecay(0.002, steps)
        ),
        "sparse_categorical_crossentropy",
        jit_compile=False,
    )
    model.fit(*data, epochs=epochs, batch_size=32, verbose=2)
    return model


def measure(model, format, parts, folder):
    training, choosing, test = parts
    path = pathlib.Path(folder) / f"model.{format}"
    row = {"format": format}
    try:
        report = export.selective_int8(
            model,
            path,
            calibration=training,
            evaluation=choosing,
            max_accuracy_drop=MAX_DROP,
            overwrite=True,
        )
    except export.UnreachableError as error:
        row["frontier"] = describe(error.frontier)
        return {**row, "met": False}
    row |= {
        "met": True,
        "layers_in_float": list(report.layers),
        "operators_in_float": report.chosen.float_operators,
        "operators": report.num_operators,
        "size_bytes": report.export.size_bytes,
        "plain_size_bytes": report.frontier[0].size_bytes,
        "plain_drop": round(report.frontier[0].accuracy_drop, 4),
        "drop": round(report.export.accuracy_drop, 4),
        "test_accuracy": round(export.evaluate(path, test)["accuracy"], 4),
        "frontier": describe(report.frontier),
    }
    plain = pathlib.Path(folder) / f"plain.{format}"
    write = {"tflite": export.to_tflite, "onnx": export.to_onnx}[format]
    write(model, plain, calibration=training, overwrite=True)
    row["plain_test_accuracy"] = round(
        export.evaluate(plain, test)["accuracy"], 4
    )
    diagnosis = export.diagnose(model, plain, training, num_images=16)
    row["worst_layers"] = [
        {
            "layer": each.layer,
            "sqnr": round(each.sqnr, 1),
            "output_sqnr": round(each.output_sqnr, 1),
            "cause": each.cause,
        }
        for each in diagnosis.layers[:5]
    ]
    return row


def describe(frontier):
    return [
        {
            "layers_in_float": each.num_layers,
            "operators_in_float": each.float_operators,
            "drop": round(each.accuracy_drop, 4),
            "size_bytes": each.size_bytes,
        }
        for each in frontier
    ]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--networks", nargs="+", default=list(NETWORKS))
    parser.add_argument("--output", type=pathlib.Path, default=RESULTS)
    options = parser.parse_args()
    parts = load_parts(options.seed)
    results = {
        "data": "scikit-learn digits at 32 px",
        "images": {
            name: len(part[1])
            for name, part in zip(
                ("training", "choosing", "test"), parts, strict=True
            )
        },
        "max_accuracy_drop": MAX_DROP,
        "networks": {},
    }
    if options.output.exists():  # a run of other networks
        results["networks"] = json.loads(options.output.read_text())["networks"]
    for name in options.networks:
        model = train(NETWORKS[name], parts[0], options.epochs, options.seed)
        rows = results["networks"][name] = {
            "epochs": options.epochs,
            "seed": options.seed,
            "keras_test_accuracy": round(
                export.evaluate(model, parts[2])["accuracy"], 4
            ),
            "files": [],
        }
        with tempfile.TemporaryDirectory() as folder:
            for format in ("tflite", "onnx"):
                rows["files"].append(measure(model, format, parts, folder))
                print(json.dumps(rows["files"][-1]), flush=True)
        options.output.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
