"""Runs a .keras, .tflite or .onnx file, or a model, in the same way."""

import pathlib

import keras
import numpy as np

from kerastl.export.lower import plain_model
from kerastl.export.quiet import quiet_console
from kerastl.export.require import require

FORMATS = {
    ".keras": "keras",
    ".h5": "keras",
    ".tflite": "tflite",
    ".onnx": "onnx",
}


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

    format = None

    def __init__(self, threads):
        self.threads = threads

    def predict(self, images):
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
        return self._predict(images)

    def prepare(self, image):
        """Returns a function without arguments that classifies `image` once.

        It does the runtime's own work alone: what latency means.
        """
        raise NotImplementedError

    def _predict(self, images):
        raise NotImplementedError


class _KerasRunner(Runner):
    format = "keras"

    def __init__(self, model, threads):
        del threads  # Keras runs on the threads of its backend.
        super().__init__(None)
        self.model, _ = plain_model(model)
        self.input_shape = tuple(self.model.inputs[0].shape[1:])
        self.num_classes = self.model.outputs[0].shape[-1]
        tensors = self.model.inputs[0], self.model.outputs[0]
        self.input, self.output = (
            {
                "name": tensor.name,
                "dtype": str(tensor.dtype),
                "shape": list(tensor.shape),
            }
            for tensor in tensors
        )
        self._call = _compiled_call(self.model)

    def _predict(self, images):
        outputs = self._call(images)
        return keras.ops.convert_to_numpy(outputs).astype("float32")

    def prepare(self, image):
        return lambda: self._predict(image)


def _compiled_call(model):
    def call(images):
        return model(images, training=False)

    if keras.backend.backend() != "tensorflow":
        return call
    import tensorflow as tf

    # Not `model.predict`: that would compile under XLA for each batch size.
    signature = tf.TensorSpec((None, *model.inputs[0].shape[1:]), "float32")
    function = tf.function(call, autograph=False)
    concrete = function.get_concrete_function(signature)
    return lambda images: concrete(tf.constant(images))


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
        [self._in] = self._interpreter.get_input_details()
        [self._out] = self._interpreter.get_output_details()
        self.input_shape = tuple(map(int, self._in["shape"][1:]))
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

    def partitions(self):
        """Returns into how many pieces the CPU delegate took the graph."""
        return sum(
            details["op_name"] == "DELEGATE"
            for details in self._interpreter._get_ops_details()
        )

    def _predict(self, images):
        size = int(self._in["shape"][0])
        outputs = []
        for start in range(0, len(images), size):
            part = images[start : start + size]
            missing = size - len(part)
            filled = np.concatenate([part, np.repeat(part[:1], missing, 0)])
            self._set(filled)
            self._interpreter.invoke()
            result = self._interpreter.get_tensor(self._out["index"])
            outputs.append(_dequantize(result, self._out)[: len(part)])
        return np.concatenate(outputs)

    def prepare(self, image):
        self._set(np.repeat(image[:1], int(self._in["shape"][0]), 0))
        return self._interpreter.invoke

    def _set(self, images):
        images = _quantize(images, self._in)
        self._interpreter.set_tensor(self._in["index"], images)


class _OnnxRunner(Runner):
    format = "onnx"

    def __init__(self, path, threads):
        super().__init__(threads)
        runtime = require("onnxruntime", "onnxruntime")
        options = runtime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 4
        self._session = runtime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"]
        )
        [tensor_in] = self._session.get_inputs()
        [tensor_out] = self._session.get_outputs()
        self.input_shape = tuple(tensor_in.shape[1:])
        self.num_classes = tensor_out.shape[-1]
        self._fixed_batch = isinstance(tensor_in.shape[0], int)
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

    def _predict(self, images):
        size = len(images)
        if self._fixed_batch:
            size = 1
        parts = [
            self._session.run(None, {self.input["name"]: images[i : i + size]})
            for i in range(0, len(images), size)
        ]
        return np.concatenate([outputs for [outputs] in parts])

    def prepare(self, image):
        feed = {self.input["name"]: image}
        return lambda: self._session.run(None, feed)


def load(path_or_model, threads=1):
    """Returns a `Runner` for a file or a model.

    Args:
        path_or_model: A .keras, .h5, .tflite or .onnx file, or a Keras model.
        threads: CPU threads; Keras itself ignores it.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is of another kind, or cannot be read.

    Example:

    ```python
    runner = kerastl.export.load("model.tflite")
    probabilities = runner.predict(images)
    ```
    """
    check_threads(threads)
    if not isinstance(path_or_model, (str, pathlib.Path)):
        return _KerasRunner(path_or_model, threads)
    path = pathlib.Path(path_or_model)
    if path.suffix not in FORMATS:
        raise ValueError(
            f"Expected a file that ends in one of {tuple(FORMATS)}. "
            f"Received: path={str(path)!r}"
        )
    if not path.is_file():
        raise FileNotFoundError(
            f"There is no file '{path}'. Received: path={str(path)!r}"
        )
    makers = {
        "keras": lambda: _KerasRunner(
            keras.saving.load_model(path, compile=False), threads
        ),
        "tflite": lambda: _TFLiteRunner(path, threads),
        "onnx": lambda: _OnnxRunner(path, threads),
    }
    try:
        return makers[FORMATS[path.suffix]]()
    except ImportError:
        raise
    except Exception as error:
        raise ValueError(
            f"The file '{path}' cannot be read as {FORMATS[path.suffix]}: "
            f"{str(error).strip()[:500]}. It is corrupt, incomplete, or no "
            "image classifier with one input and one output; export it "
            f"again. Received: path={str(path)!r}"
        ) from error


def check_threads(threads):
    """Raises a `ValueError` unless `threads` is a positive integer."""
    if not isinstance(threads, int) or threads < 1:
        raise ValueError(
            "`threads` must be a positive integer. "
            f"Received: threads={threads!r}"
        )


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
