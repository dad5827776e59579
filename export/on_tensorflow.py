"""Writing a file where Keras runs on another backend than TensorFlow."""

import functools
import json
import os
import pathlib
import subprocess
import sys
import tempfile

import keras
import numpy as np

# What the conversion raises comes back as what it was, by name.
_ERRORS = {
    kind.__name__: kind
    for kind in (ImportError, MemoryError, OSError, TypeError, ValueError)
}


def on_tensorflow(write):
    """A step of the pipeline that runs on TensorFlow, on every backend.

    The converters read TensorFlow's graphs alone. On another backend the
    model is saved, and a process of its own, in which Keras runs on
    TensorFlow, loads it and converts it. What it wrote is still compared with
    the model as it runs here. The process leaves accelerators alone: this one
    may have taken all of their memory.

    Args:
        write: `write(lowered, output_name, scheme, images, path)`, a function
            of a module, or a `functools.partial` of one with keywords that
            JSON knows.

    Returns:
        A function of the same arguments: `write` itself on TensorFlow.

    Raises:
        RuntimeError: If the function cannot be called by its name in another
            process.
    """
    backend = keras.backend.backend()
    if backend == "tensorflow":
        return write
    function = getattr(write, "func", write)
    if function.__qualname__ != function.__name__:
        raise RuntimeError(
            "This step works with TensorFlow's converters all along. Save the "
            "model as .keras, and run it in a process started with "
            f"KERAS_BACKEND=tensorflow. Received: backend={backend!r}"
        )
    task = {
        "module": function.__module__,
        "function": function.__name__,
        "keywords": getattr(write, "keywords", {}),
    }
    return functools.partial(_write, task)


def _write(task, lowered, output_name, scheme, images, path):
    with tempfile.TemporaryDirectory(prefix="kerastl-") as name:
        folder = pathlib.Path(name)
        lowered.model.save(folder / "model.keras")
        if images is not None:
            np.save(folder / "images.npy", images)
        task = {
            **task,
            "output_name": output_name,
            "scheme": scheme.name,
            "format": path.suffix[1:],
            "path": str(path.resolve()),
        }
        (folder / "task.json").write_text(json.dumps(task), encoding="utf-8")
        finished = subprocess.run(
            [sys.executable, "-m", "kerastl.export.run_task", name],
            capture_output=True,
            text=True,
            errors="replace",
            env=_environment(),
        )
        return _notes(folder / "answer.json", finished)


def _environment():
    return {
        **os.environ,
        "KERAS_BACKEND": "tensorflow",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "CUDA_VISIBLE_DEVICES": "-1",
        # Where the user's own layers may lie.
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
    }


def _notes(path, finished):
    if not path.is_file():
        [*_, reason] = finished.stderr.strip().splitlines() or ["no reason"]
        raise RuntimeError(
            "The process that converts on TensorFlow ended without an answer: "
            f"{reason[:500]}. Save the model as .keras, and export it in a "
            "process started with KERAS_BACKEND=tensorflow. "
            f"Received: exit status {finished.returncode}"
        )
    answer = json.loads(path.read_text(encoding="utf-8"))
    if "error" not in answer:
        return answer["notes"]
    raise _ERRORS.get(answer["error"], RuntimeError)(answer["message"])
