"""Converts a saved model in a process of its own: see `on_tensorflow`.

python -m kerastl.export.conversion.convert_saved_model FOLDER
"""

import importlib
import json
import pathlib
import sys

import keras
import numpy as np

from kerastl.export.conversion.converters import get_scheme
from kerastl.export.runners.inference_model import lower


def main(folder):
    """Runs `task.json` of the folder, and leaves `answer.json` there."""
    try:
        answer = {"notes": _run(folder)}
    except Exception as error:
        answer = {"error": type(error).__name__, "message": str(error)}
    text = json.dumps(answer)
    (folder / "answer.json").write_text(text, encoding="utf-8")


def _run(folder):
    task = json.loads((folder / "task.json").read_text(encoding="utf-8"))
    images = None
    if (folder / "images.npy").exists():
        images = np.load(folder / "images.npy")
    module = importlib.import_module(task["module"])
    return getattr(module, task["function"])(
        lower(_model(folder / "model.keras")),
        task["output_name"],
        get_scheme(task["scheme"], task["format"]),
        images,
        pathlib.Path(task["path"]),
        **task["keywords"],
    )


def _model(path):
    try:
        return keras.saving.load_model(path, compile=False)
    except Exception as error:
        raise ValueError(
            "The model is converted in a process on TensorFlow, which cannot "
            f"load it: {str(error).strip()[:500]} Define its own layers in a "
            "module that can be imported, register them with "
            "`keras.saving.register_keras_serializable`, and write them in "
            "`keras.ops`."
        ) from error


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
