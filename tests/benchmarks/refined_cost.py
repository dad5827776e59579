"""What refining an int8 file costs: processor time and memory.

    python tests/benchmarks/refined_cost.py PHOTOS WEIGHTS

writes `refined_cost.json` beside this file. MobileNetV2 1.0 at 224 px, of which
WEIGHTS is a file with its classifier for 1001 classes, is written as int8 with
and without `refine`, calibrated on 100 images of PHOTOS, a folder of class
folders. Every export runs three times in a process of its own, and the least
counts: the processor's time of the export, since other work may run beside it,
and the most memory that the process held, the packages and the images included.
"""

import argparse
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

RESULTS = pathlib.Path(__file__).with_suffix(".json")
FORMATS = ("tflite", "onnx")
SIZE, CLASSES, NUM_CALIBRATION, TIMES = 224, 1001, 100, 3


def prepare(options, folder):
    """Writes the network and its images to a folder."""
    import numpy as np

    from kerastl import apps

    model = apps.MobileNetV2(
        weights=options.weights,
        input_shape=(SIZE, SIZE, 3),
        classes=CLASSES,
    )
    model.save(folder / "model.keras")
    data = apps.load_image_folder(options.photos, SIZE, shots=15)
    images = np.concatenate([batch[0] for batch in data.calibration])
    np.save(folder / "images.npy", images[:NUM_CALIBRATION].astype("float32"))


def export_once(folder, format, refine):
    """Writes one file, and prints the processor's seconds, and bytes."""
    import keras
    import numpy as np

    from kerastl import export

    model = keras.models.load_model(folder / "model.keras")
    images = np.load(folder / "images.npy")
    write = {"tflite": export.to_tflite, "onnx": export.to_onnx}[format]
    start = time.process_time()
    write(
        model,
        folder / f"model.{format}",
        calibration=images,
        num_calibration=NUM_CALIBRATION,
        overwrite=True,
        refine=refine,
    )
    seconds = time.process_time() - start
    # Not `getrusage`: what that says may be of the process that started this.
    status = pathlib.Path("/proc/self/status").read_text()
    kilobytes = int(re.search(r"VmHWM:\s*(\d+) kB", status)[1])
    print(json.dumps([seconds, 1024 * kilobytes]))


def measure(folder, format, refine):
    """Seconds and bytes of one export in a new process."""
    command = [sys.executable, __file__, "--child", folder, format, refine]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def main():
    from kerastl.apps.runs.run_identity import versions
    from kerastl.export.runners.measure_file import processor_name

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("photos", "weights"):
        parser.add_argument(name, type=pathlib.Path)
    options = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        prepare(options, pathlib.Path(folder))
        for format in FORMATS:
            for refine in ("none", "auto"):
                found = [measure(folder, format, refine) for _ in range(TIMES)]
                seconds, memory = map(min, zip(*found, strict=True))
                rows.append(
                    {
                        "format": format,
                        "refine": refine,
                        "processor_seconds": round(seconds, 1),
                        "peak_bytes": memory,
                    }
                )
                print(rows[-1], flush=True)
    results = {
        "network": f"MobileNetV2 1.0 at {SIZE} px",
        "calibration": NUM_CALIBRATION,
        "files": rows,
        "processor": processor_name(),
        "versions": versions(),
    }
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        export_once(pathlib.Path(sys.argv[2]), *sys.argv[3:])
    else:
        main()
