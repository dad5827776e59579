"""What weights of four bits save and lose, beside those of eight.

    python tests/benchmarks/four_bits.py DATA WIDE NARROW

writes `four_bits.json` beside this file. MobileNetV2 1.0 at 160 px (WIDE is the
file of its ImageNet weights) and 0.35 at 128 px (NARROW), each fine-tuned with
25 photos a class and three seeds, written as `tflite:int8`, `tflite:int4` and
`tflite:int4_micro`, calibrated on 100 of the training photos. Every file is
compared with the Keras model on all validation and test photos of DATA, a
folder with train, validation and test folders of class folders. Networks that
were trained are kept in the work folder and not trained again; neither is a
file that was measured.

The files of a network are timed in turn, a few inferences each, on one thread;
a ratio to `tflite:int8` is the median over the rounds.
"""

import argparse
import os
import pathlib
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
from ai_edge_litert.interpreter import Interpreter
from photo_rows import run_missing
from refined_int8 import NUM_CALIBRATION
from refined_int8 import judge_file
from refined_int8 import read_photos

from kerastl import apps
from kerastl import export

RESULTS = pathlib.Path(__file__).with_suffix(".json")
SHOTS, SEEDS, EPOCHS = 25, range(3), 20
#: Width, size, and the argument that has the weights.
NETWORKS = {
    "MobileNetV2 1.0": (1.0, 160, "wide"),
    "MobileNetV2 0.35": (0.35, 128, "narrow"),
}
FILES = (
    ("int8", "auto"),
    ("int4", "auto"),
    ("int4", "none"),
    ("int4_micro", "auto"),
)
ROUNDS, BLOCK = 40, 5


def prepare(options, network, seed):
    """The network, trained unless it is there, its data and its photos."""
    alpha, size, weights = NETWORKS[network]
    folder = options.work / f"{network.replace(' ', '_')}_{seed}"
    if not (folder / "model.keras").exists():
        apps.fine_tune(
            options.data,
            preset="mobilenet_v2",
            weights=getattr(options, weights),
            preset_arguments={"alpha": alpha},
            image_size=size,
            shots=SHOTS,
            epochs=EPOCHS,
            seed=seed,
            exports=(),
            output=folder,
        )
    model = keras.models.load_model(folder / "model.keras")
    data = apps.load_image_folder(
        options.data, image_size=size, shots=SHOTS, seed=seed
    )
    return model, data, read_photos(data, model), folder


def timer(path):
    """A function that returns the seconds of one inference."""
    interpreter = Interpreter(str(path), num_threads=1)
    interpreter.allocate_tensors()
    [image] = interpreter.get_input_details()
    values = np.random.default_rng(0).integers(-128, 128, image["shape"])
    interpreter.set_tensor(image["index"], values.astype(image["dtype"]))

    def measure():
        start = time.process_time()
        for _ in range(BLOCK):
            interpreter.invoke()
        return (time.process_time() - start) / BLOCK

    return measure


def measure_network(options, network, seed):
    model, data, photos, folder = prepare(options, network, seed)
    files, paths = [], []
    for scheme, refine in FILES:
        path = folder / f"{scheme}_{refine}.tflite"
        report = export.to_tflite(
            model,
            path,
            scheme,
            calibration=data.calibration,
            num_calibration=NUM_CALIBRATION,
            overwrite=True,
            refine=refine,
        )
        paths.append(path)
        files.append(
            {
                "scheme": scheme,
                "refine": refine,
                **judge_file(path, photos),
                "size_bytes": report.size_bytes,
                "partitions": report.partitions,
            }
        )
    clocks = [timer(path) for path in paths]
    for clock in clocks:
        clock()
    times = np.array([[clock() for clock in clocks] for _ in range(ROUNDS)])
    ratios = np.median(times / times[:, :1], axis=0)
    for file, ratio in zip(files, ratios, strict=True):
        file["latency_ratio"] = round(float(ratio), 2)
        file["size_ratio"] = round(
            file["size_bytes"] / files[0]["size_bytes"], 3
        )
    return {"photos": len(photos["labels"]), "files": files}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("data", "wide", "narrow"):
        parser.add_argument(name, type=pathlib.Path)
    parser.add_argument(
        "--work", type=pathlib.Path, default=pathlib.Path("runs/four_bits")
    )
    options = parser.parse_args()
    run_missing(
        RESULTS,
        [
            {"network": network, "seed": seed}
            for seed in SEEDS
            for network in NETWORKS
        ],
        lambda cell: measure_network(options, **cell),
    )


if __name__ == "__main__":
    main()
