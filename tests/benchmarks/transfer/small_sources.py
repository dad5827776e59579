"""Weights of a ResNet-8 that knows little, for grids/small_sources.toml.

    python tests/benchmarks/transfer/small_sources.py CLOTHING SIGNS FOLDER

trains one on all photos of clothing and one on all of hands, from random
weights at 32 px, and takes the quickstart's, which knows five digits. FOLDER
has `clothing.keras`, `signs.keras` and `digits.keras` then; what is there is
not trained again.
"""

import argparse
import os
import pathlib
import shutil

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from kerastl import apps
from kerastl.apps.runs.digits_experiment import train_digits_source

PRESET = "resnet8"
IMAGE_SIZE = 32
EPOCHS = 40


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("clothing", "signs", "folder"):
        parser.add_argument(name, type=pathlib.Path)
    options = parser.parse_args()
    for name in ("clothing", "signs"):
        path = options.folder / f"{name}.keras"
        if path.exists():
            continue
        run = options.folder / name
        apps.fine_tune(
            getattr(options, name),
            preset=PRESET,
            weights=None,
            image_size=IMAGE_SIZE,
            epochs=EPOCHS,
            exports=(),
            output=run,
            resume=run.exists(),
        )
        shutil.copyfile(run / "model.keras", path)
    path = options.folder / "digits.keras"
    if not path.exists():
        train_digits_source()[0].save(path)


if __name__ == "__main__":
    main()
