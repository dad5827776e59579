"""Runs a Keras model as the files are run, and remembers what came out."""

import hashlib
import math

import keras
import numpy as np

from kerastl.export.runners.inference_model import one_to_one
from kerastl.export.runners.inference_model import plain_model
from kerastl.export.runners.runner import Runner
from kerastl.surgery import graph
from kerastl.surgery.output_kind import output_kind

# Of one tensor, of all images that run together.
_MOST_VALUES = 10_000_000


class KerasRunner(Runner):
    """A `Runner` of a Keras model.

    Args:
        model: Functional or Sequential classifier, or a `FineTuner`.
        threads: Not used: Keras runs on the threads of its backend.
    """

    format = "keras"

    def __init__(self, model, threads):
        del threads
        super().__init__(None)
        self.model = one_to_one(plain_model(model)[0])
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
        self._most = _most_together(self.model)

    def _read_kind(self):
        kind = output_kind(self.model)
        # A softmax over one output is no logit either.
        return "sigmoid" if kind == "probabilities" else kind

    def _run(self, images):
        parts = [
            keras.ops.convert_to_numpy(
                self._call(images[start : start + self._most])
            )
            for start in range(0, len(images), self._most)
        ]
        return np.concatenate(parts).astype("float32")

    def prepare(self, image):
        return lambda: self._run(image)


def _most_together(model):
    """How many images run together, so that memory holds their tensors."""
    shapes = [
        tensor.shape[1:]
        for _, node in graph.walk(model)
        for tensor in node.outputs
    ]
    known = [math.prod(shape) for shape in shapes if None not in shape]
    return max(1, _MOST_VALUES // max(known, default=1))


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


class RememberedRunner(Runner):
    """Runs each batch of images once, and remembers what came out.

    All files of a network are held against its answers to the same images:
    it gives them once.

    Args:
        runner: The `KerasRunner` that answers.
    """

    def __init__(self, runner):
        super().__init__(runner.threads)
        self._runner = runner
        self.model = runner.model
        self.format, self.kind = runner.format, runner.kind
        self.input_shape = runner.input_shape
        self.num_classes = runner.num_classes
        self.input, self.output = runner.input, runner.output
        self._answers = {}

    def _run(self, images):
        images = np.ascontiguousarray(images)
        key = images.shape, hashlib.blake2b(images).digest()
        if key not in self._answers:
            self._answers[key] = self._runner.predict(images)
        return self._answers[key].copy()

    def prepare(self, image):
        return self._runner.prepare(image)
