"""Weights that know little, for grids/small_sources.toml.

    python tests/benchmarks/transfer/small_sources.py CLOTHING SIGNS FOLDER

trains a ResNet-8 at 32 px and a MobileNetV2 0.35 at 64 px, from random weights,
on all photos of clothing and another on all of hands, and takes the
quickstart's ResNet-8, which knows five digits. FOLDER has a `.keras` file of
each of `SOURCES` then; what is there is not trained again.
"""

import argparse
import os
import pathlib
import shutil

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from kerastl import apps
from kerastl.apps.runs.digits_experiment import train_digits_source

#: The network and its photos by the name of the file: preset, its arguments,
#: height and width of the images, and whose photos they are.
SOURCES = {
    "clothing": ("resnet8", {}, 32, "clothing"),
    "signs": ("resnet8", {}, 32, "signs"),
    "wide_clothing": ("mobilenet_v2", {"alpha": 0.35}, 64, "clothing"),
    "wide_signs": ("mobilenet_v2", {"alpha": 0.35}, 64, "signs"),
}
EPOCHS = 40


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("clothing", "signs", "folder"):
        parser.add_argument(name, type=pathlib.Path)
    parser.add_argument("--sources", nargs="+", default=[*SOURCES])
    options = parser.parse_args()
    for name in options.sources:
        preset, arguments, size, photos = SOURCES[name]
        path = options.folder / f"{name}.keras"
        if path.exists():
            continue
        run = options.folder / name
        apps.fine_tune(
            getattr(options, photos),
            preset=preset,
            preset_arguments=arguments,
            weights=None,
            image_size=size,
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
