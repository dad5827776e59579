"""The files that examples in docstrings name."""

import functools
import pathlib
import shutil

import numpy as np
from PIL import Image

from kerastl import export

from .world import CLASSES
from .world import World


def write(name, folder, kept, world):
    """Writes what an example reads of that name; nothing if it reads none.

    Args:
        name: A text in the example.
        folder: Where the example runs.
        kept: Folder of model files, which are written once.
        world: The `World` of the example.
    """
    path = folder / name
    if name in _WRITERS:
        path.parent.mkdir(parents=True, exist_ok=True)
        _WRITERS[name](path)
    elif path.suffix in (".tflite", ".onnx"):
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(_exported(path.suffix, kept, world.number), path)
    elif path.name == "model.keras":
        path.parent.mkdir(parents=True, exist_ok=True)
        world["model"].save(path)


@functools.cache
def _exported(suffix, kept, number):
    world = World(number=number)
    write = {".tflite": export.to_tflite, ".onnx": export.to_onnx}[suffix]
    path = kept / f"model_{number}{suffix}"
    names = [str(each) for each in range(number)]
    write(world["model"], path, calibration=world["train"], refine="none")
    export.write_metadata(path, export.Metadata(names))
    return path


def _photo(path, size=(48, 40)):
    width, height = size
    pixels = np.random.default_rng(3).integers(0, 255, (height, width, 3))
    Image.fromarray(pixels.astype("uint8")).save(path)


def _photos(path):
    for label in map(str, range(CLASSES)):
        (path / label).mkdir(parents=True)
        for number in range(32):
            _photo(path / label / f"{number}.png")


def _legacy(path):
    """A file of tf.keras 2, which Keras 3 does not read by itself."""
    import tf_keras

    tf_keras.Sequential(
        [tf_keras.layers.Input((4,)), tf_keras.layers.Dense(2)]
    ).save(path)


def _runtime(path):
    (path / "dist").mkdir(parents=True)
    for name in ("ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm"):
        (path / "dist" / name).write_text("/* ONNX Runtime Web v1 */")


_WRITERS = {
    "photo.jpg": _photo,
    "photos": _photos,
    "photos/cat/1.jpg": functools.partial(_photo, size=(640, 480)),
    "weights": lambda path: (
        path.mkdir(),
        (path / "mobilenet_v2_0.35.weights.h5").touch(),
    ),
    "model_from_2021.h5": _legacy,
    "node_modules/onnxruntime-web": _runtime,
    "runs/mine": pathlib.Path.mkdir,
    # Only the folder is there.
    "run/.lock": lambda path: None,
    "run/checkpoint.npz": lambda path: None,
}
