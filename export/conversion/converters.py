"""What the converters write, what they lack, and where they run."""

import dataclasses
import functools
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

import keras
import numpy as np

from kerastl.arguments import checked_text
from kerastl.arguments import unknown_name_error
from kerastl.surgery import graph


@dataclasses.dataclass(frozen=True)
class Scheme:
    """One way to store weights and compute activations.

    Args:
        name: Name that users type.
        summary: One line for tables and `--help`.
        needs_calibration: Whether activation ranges must be measured on
            sample images before the file can be written.
        rounds_as_trained: Whether it rounds as `quantization_aware` does.
        four_bits: Form of the kernels that have four bits, see
            `four_bits.has_four_bits`; `None` where none has.
    """

    name: str
    summary: str
    needs_calibration: bool = False
    rounds_as_trained: bool = False
    four_bits: str | None = None


def _table(*schemes):
    return {scheme.name: scheme for scheme in schemes}


SCHEMES = {
    "tflite": _table(
        Scheme("float32", "Exact: float32 weights and activations."),
        Scheme(
            "float16",
            "Half the size: float16 weights, computed in float32.",
        ),
        Scheme(
            "dynamic",
            "A quarter of the size: int8 weights, float32 in and out, "
            "activations quantized while running.",
        ),
        Scheme(
            "int8",
            "For phones and microcontrollers: all integer, int8 in and out, "
            "one scale per output channel.",
            needs_calibration=True,
            rounds_as_trained=True,
        ),
        Scheme(
            "uint8_io",
            "As int8, bit for bit, with uint8 in and out: the images that "
            "Android and iOS give (MediaPipe, ML Kit).",
            needs_calibration=True,
            rounds_as_trained=True,
        ),
        Scheme(
            "int8_per_tensor",
            "As int8 with one scale per weight tensor, for accelerators that "
            "need it; loses more accuracy.",
            needs_calibration=True,
        ),
        Scheme(
            "int4",
            "As int8, with 4-bit weights in dense layers and 1x1 convolutions: "
            "smaller, as fast on phones, less exact.",
            needs_calibration=True,
            four_bits="products",
        ),
        Scheme(
            "int4_micro",
            "As int4, in the form that microcontrollers read: 1x1 convolutions "
            "only.",
            needs_calibration=True,
            four_bits="convolutions",
        ),
        Scheme(
            "int16x8",
            "int16 activations, in and out, with int8 weights: closest to "
            "float32 of the integer schemes, slow on CPUs.",
            needs_calibration=True,
        ),
    ),
    "onnx": _table(
        Scheme("float32", "Exact: float32 weights and activations."),
        Scheme(
            "int8",
            "Static QDQ: int8 weights per channel, 8-bit activations, "
            "float32 in and out.",
            needs_calibration=True,
            rounds_as_trained=True,
        ),
    ),
}


def get_scheme(name, format):
    """Returns the row of `SCHEMES[format]` called `name`.

    Raises:
        ValueError: If there is none; the message names the nearest.
    """
    table = SCHEMES[format]
    if checked_text("scheme", name) in table:
        return table[name]
    raise unknown_name_error(f"{format} scheme", name, table)


def unsupported_layers(model, error, operators):
    """Returns the names of the layers that a converter complains of.

    Args:
        model: Functional model that was converted.
        error: The exception; its text and notes hold the scopes in which the
            operators were made.
        operators: Names of the operators that the converter does not have.

    Returns:
        List of names, prefixed with the nested models that hold the layers,
        in the order in which they run. Empty where nothing is said.
    """
    text = "\n".join([str(error), *getattr(error, "__notes__", [])])
    scopes = {
        scope
        for operator, scope in re.findall(r'fused\["(\w+):", "([^"@]+)@', text)
        if operator in operators
    }
    return layers_of_scopes(model, scopes)


def layers_of_scopes(model, scopes):
    """Returns the names of the layers in whose scopes something was made.

    Args:
        model: Functional model that was converted.
        scopes: Names with scopes: `net_1/backbone_1/conv_2/Conv`.

    Returns:
        List as `unsupported_layers` gives it.
    """
    return [
        path
        for path in dict.fromkeys(node.path for _, node in graph.walk(model))
        if any(_is_inside(scope, path) for scope in scopes)
    ]


def _is_inside(scope, path):
    """Whether a scope was made by the layer: `net_1/backbone_1/conv_2/Conv`.

    Scopes that were taken already got a number.
    """
    parts = "/".join(rf"{re.escape(part)}(_\d+)?" for part in path.split("/"))
    return re.search(rf"(^|/){parts}/", scope) is not None


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
            [
                sys.executable,
                "-m",
                "kerastl.export.conversion.convert_saved_model",
                name,
            ],
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
