"""Writes and measures files with more and more layers in float."""

import numpy as np

from kerastl.export.diagnosis.examine import READERS
from kerastl.export.diagnosis.selective_report import FrontierPoint
from kerastl.export.runners.class_scores import predicted
from kerastl.export.runners.measure_file import measure_latency
from kerastl.export.runners.runner import load
from kerastl.export.utils.third_party import trust_file


class FloatSearch:
    """The files of one model, by how many of its worst layers are float.

    Args:
        variants: `TFLiteVariants` or `OnnxVariants`.
        path: Where each of them is written, over the one before.
        model: The Keras model.
        evaluation: Pair of images and labels.
        threads: CPU threads to measure with.

    Attributes:
        candidates: `FloatCandidate`s, in the order in which they are kept.
        num_operators: How many operators the last file computes with.
    """

    def __init__(self, variants, path, model, evaluation, threads):
        self.candidates = []
        self.path = path
        self.num_operators = None
        self._variants = variants
        self._images, self._labels = evaluation
        self._threads = threads
        self._points = {}
        self._keras_accuracy = self._accuracy(load(model))

    def frontier(self):
        """Returns the `FrontierPoint`s, by the number of layers."""
        return tuple(self._points[each] for each in sorted(self._points))

    def write(self, number):
        """Writes the file with that many layers in float."""
        in_float = frozenset().union(
            *(each.needed for each in self.candidates[:number])
        )
        self._variants.write(self.path, in_float)
        trust_file(self.path)

    def try_layers(self, number):
        """Writes and measures a file; returns its `FrontierPoint`."""
        if number not in self._points:
            self.write(number)
            runner = load(self.path, self._threads)
            accuracy = self._accuracy(runner)
            tensors = READERS[self.path.suffix](self.path).tensors
            self.num_operators = len(tensors)
            self._points[number] = FrontierPoint(
                num_layers=number,
                accuracy=accuracy,
                accuracy_drop=self._keras_accuracy - accuracy,
                size_bytes=self.path.stat().st_size,
                latency_ms=measure_latency(runner, self._images[:1])[
                    "latency_ms"
                ],
                float_operators=sum(each.is_float for each in tensors),
            )
        return self._points[number]

    def _accuracy(self, runner):
        outputs = runner.predict(self._images)
        classes = predicted(outputs, runner.kind)
        return float(np.mean(classes == self._labels))
