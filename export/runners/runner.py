"""Runs a .keras, .tflite or .onnx file, or a model, in the same way."""

from __future__ import annotations

import functools
import pathlib
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING
from typing import Any

import numpy as np

from kerastl.arguments import checked_count
from kerastl.arguments import checked_path
from kerastl.export.keras_files.unreadable import check_is_binary
from kerastl.export.keras_files.unreadable import check_is_file
from kerastl.export.keras_files.unreadable import corrupt
from kerastl.export.keras_files.unreadable import unreadable
from kerastl.export.runners.class_scores import class_scores
from kerastl.export.runners.class_scores import kind_by_values
from kerastl.export.runners.class_scores import kind_in_file
from kerastl.export.utils.third_party import quiet_console
from kerastl.export.utils.third_party import require
from kerastl.export.utils.third_party import require_survivable
from kerastl.types import PathLike

if TYPE_CHECKING:
    import keras
    from numpy.typing import ArrayLike


FORMATS = {
    ".keras": "keras",
    ".h5": "keras",
    ".tflite": "tflite",
    ".onnx": "onnx",
}
#: Far above any machine, and below what a runtime fails to start.
MOST_THREADS = 1024
# What LiteRT says of operators that it does not have.
_LACKING = ("custom op", "select tensorflow op", "didn't find op")


class _NoClassifierError(ValueError):
    """A sound file of another kind of network."""


class Runner:
    """A classifier that takes images and returns probabilities.

    Made by `kerastl.export.load`. Images are given as the Keras model takes
    them; integer inputs and outputs are converted both ways.

    Attributes:
        format: "keras", "tflite" or "onnx".
        input_shape: Shape of one image.
        num_classes: Number of outputs.
        threads: Threads used, `None` where the runtime decides.
        input: Name, dtype, shape and quantization of the input tensor.
        output: The same of the output tensor.
    """

    format: str
    input_shape: tuple[int, ...]
    num_classes: int
    input: dict[str, Any]
    output: dict[str, Any]
    # Set where the file takes batches of one size only.
    _batch_size: int | None = None

    def __init__(self, threads: int | None) -> None:
        self.threads = threads

    def predict(self, images: ArrayLike) -> np.ndarray:
        """Returns the outputs for a batch of images.

        Args:
            images: Array of shape `(n, *input_shape)`.

        Returns:
            float32 array of shape `(n, num_classes)`.
        """
        images = np.asarray(images, dtype="float32")
        if images.shape[1:] != tuple(self.input_shape):
            raise ValueError(
                "Expected a batch of images of shape "
                f"(n, {', '.join(map(str, self.input_shape))}). "
                f"Received: shape {images.shape}"
            )
        if not len(images):
            return np.zeros((0, self.num_classes), "float32")
        size = self._batch_size or len(images)
        parts = []
        for start in range(0, len(images), size):
            part = images[start : start + size]
            parts.append(self._run(_fill(part, size))[: len(part)])
        return np.concatenate(parts)

    def classify(self, images: ArrayLike) -> np.ndarray:
        """Returns one score a class, two of them where there is one output.

        Args:
            images: Array of shape `(n, *input_shape)`.

        Returns:
            float32 array of shape `(n, max(num_classes, 2))`: the outputs as
            they are, or the probabilities of no and yes.
        """
        return class_scores(self.predict(images), self.kind)

    @functools.cached_property
    def kind(self) -> str | None:
        """What one output is, "sigmoid" or "logits"; `None` for several."""
        if self.num_classes != 1:
            return None
        return self._read_kind() or kind_by_values(
            self.predict, self.input_shape
        )

    def _read_kind(self):
        raise NotImplementedError

    def prepare(self, image: np.ndarray) -> Callable[[], Any]:
        """Returns a function without arguments that classifies `image` once.

        It does the runtime's own work alone: what latency means.
        """
        raise NotImplementedError

    def _run(self, images):
        raise NotImplementedError


class _TFLiteRunner(Runner):
    format = "tflite"

    def __init__(self, path, threads):
        super().__init__(threads)
        litert = require("ai_edge_litert.interpreter", "ai-edge-litert")
        content = pathlib.Path(path).read_bytes()
        if content[4:8] != b"TFL3":
            raise ValueError("it does not start like a TFLite file")
        with quiet_console():
            self._interpreter = litert.Interpreter(
                model_content=content, num_threads=threads
            )
            self._interpreter.allocate_tensors()
        self._in = _only(self._interpreter.get_input_details(), "input")
        self._out = _only(self._interpreter.get_output_details(), "output")
        self._batch_size, *input_shape = map(int, self._in["shape"])
        self.input_shape = tuple(input_shape)
        self.num_classes = int(self._out["shape"][-1])
        [signature] = self._interpreter.get_signature_list().values() or [{}]
        self.input, self.output = (
            _describe_tensor(details, signature.get(key, [None])[0])
            for details, key in ((self._in, "inputs"), (self._out, "outputs"))
        )

    def operations(self):
        """Returns the operator names of the graph, undelegated, in order."""
        return [
            details["op_name"]
            for details in self._interpreter._get_ops_details()
            if details["op_name"] != "DELEGATE"
        ]

    def _read_kind(self):
        return kind_in_file(reversed(self.operations()))

    def partitions(self):
        """Returns into how many pieces the CPU delegate took the graph."""
        return sum(
            details["op_name"] == "DELEGATE"
            for details in self._interpreter._get_ops_details()
        )

    def _run(self, images):
        self._set(images)
        self._interpreter.invoke()
        result = self._interpreter.get_tensor(self._out["index"])
        return _dequantize(result, self._out)

    def prepare(self, image):
        self._set(_fill(image, self._batch_size))
        return self._interpreter.invoke

    def _set(self, images):
        images = _quantize(images, self._in)
        self._interpreter.set_tensor(self._in["index"], images)


class _OnnxRunner(Runner):
    format = "onnx"

    def __init__(self, path, threads):
        super().__init__(threads)
        self._path = path
        runtime = require("onnxruntime", "onnxruntime")
        options = runtime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 4
        self._session = runtime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"]
        )
        tensor_in = _only(self._session.get_inputs(), "input")
        tensor_out = _only(self._session.get_outputs(), "output")
        self.input_shape = tuple(tensor_in.shape[1:])
        self.num_classes = tensor_out.shape[-1]
        if isinstance(tensor_in.shape[0], int):
            self._batch_size = tensor_in.shape[0]
        self.input, self.output = (
            {
                "name": tensor.name,
                "dtype": {"tensor(float)": "float32"}.get(
                    tensor.type, tensor.type
                ),
                "shape": list(tensor.shape),
            }
            for tensor in (tensor_in, tensor_out)
        )

    def _read_kind(self):
        onnx = require("onnx", "onnx")
        graph = onnx.load(self._path, load_external_data=False).graph
        makers = {name: node for node in graph.node for name in node.output}
        operators, name = [], self.output["name"]
        while name in makers:
            operators.append(makers[name].op_type)
            name = next(iter(makers[name].input), None)
        return kind_in_file(operators)

    def _run(self, images):
        [outputs] = self._session.run(None, {self.input["name"]: images})
        return outputs

    def prepare(self, image):
        feed = {self.input["name"]: _fill(image, self._batch_size or 1)}
        return lambda: self._session.run(None, feed)


def load(path_or_model: PathLike | keras.Model, threads: int = 1) -> Runner:
    """Returns a `Runner` for a file or a model.

    Args:
        path_or_model: A .keras, .h5 (of tf.keras 2 too), .tflite or .onnx
            file, or a Keras model. A `Runner` is returned as it is.
        threads: CPU threads; Keras itself ignores it.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is of another kind, or cannot be read. The message
            names the cause; "corrupt" is said of damaged files alone.

    Example:

    ```python
    runner = kerastl.export.load("model.tflite")
    probabilities = runner.predict(images)
    ```
    """
    threads = check_threads(threads)
    if isinstance(path_or_model, Runner):
        return path_or_model
    keras = sys.modules.get("keras")
    if keras is not None and isinstance(path_or_model, keras.Model):
        return _keras_runner(path_or_model, threads)
    path = checked_path("path", path_or_model, "a Keras model")
    if path.is_dir():
        check_is_file(path)
    if path.suffix not in FORMATS:
        raise ValueError(
            f"Expected a model: a file that ends in one of {tuple(FORMATS)}. "
            f"Received: path={str(path)!r}"
        )
    check_is_file(path)
    format = FORMATS[path.suffix]
    check_is_binary(path, format)
    source = path
    if format == "keras":
        from kerastl.export.keras_files.load_keras_file import load_keras_file

        source = load_keras_file(path)
    else:
        require_survivable(path)
    try:
        return _RUNNERS[format](source, threads)
    except (ImportError, MemoryError):
        raise
    except _NoClassifierError as error:
        raise unreadable(path, format, error) from error
    except Exception as error:
        if format == "keras":
            raise unreadable(
                path, format, f"its model is no image classifier: {error}"
            ) from error
        if _is_sound(path, format, error):
            raise unreadable(
                path,
                format,
                f"{str(error).strip()[:500]}. The file is whole, but asks "
                "for what this runtime lacks, such as an operator; export "
                "the model without that",
            ) from error
        raise corrupt(path, format, error) from error


def _keras_runner(model, threads):
    # Whoever only runs finished files does without Keras.
    from kerastl.export.runners.keras_runner import KerasRunner

    return KerasRunner(model, threads)


_RUNNERS = {
    "keras": _keras_runner,
    "tflite": _TFLiteRunner,
    "onnx": _OnnxRunner,
}


def _is_sound(path, format, error):
    """Whether a runtime refuses a file that is not damaged."""
    if format == "tflite":
        text = str(error).lower()
        return any(each in text for each in _LACKING)
    onnx = require("onnx", "onnx")
    try:
        return bool(onnx.load(path, load_external_data=False).graph.output)
    except Exception:  # protobuf's own errors
        return False


def _only(tensors, kind):
    if len(tensors) != 1:
        raise _NoClassifierError(
            f"it is no image classifier, as it has {len(tensors)} {kind}s. "
            f"Expected one {kind}; export a model with one"
        )
    return tensors[0]


def check_threads(threads) -> int:
    """`threads` as an int, of which a runtime makes as many as it is told."""
    return checked_count("threads", threads, most=MOST_THREADS)


def _fill(images, size):
    """Repeats the first image until there are `size` of them."""
    missing = size - len(images)
    return np.concatenate([images, np.repeat(images[:1], missing, axis=0)])


def _describe_tensor(details, name):
    described = {
        "name": name or details["name"],
        "dtype": np.dtype(details["dtype"]).name,
        "shape": [int(size) for size in details["shape"]],
    }
    scale, zero_point = details["quantization"]
    if scale:
        described |= {"scale": float(scale), "zero_point": int(zero_point)}
    return described


def _quantize(values, details):
    scale, zero_point = details["quantization"]
    if not scale:
        return values.astype(details["dtype"])
    limits = np.iinfo(details["dtype"])
    levels = np.round(values / scale) + zero_point
    return np.clip(levels, limits.min, limits.max).astype(details["dtype"])


def _dequantize(levels, details):
    scale, zero_point = details["quantization"]
    if not scale:
        return levels.astype("float32")
    return (levels.astype("float32") - zero_point) * np.float32(scale)
