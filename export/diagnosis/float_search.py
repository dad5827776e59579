"""Says which operators have to be float to spare a layer its error."""

import dataclasses

import numpy as np

from kerastl.export.diagnosis.examine import READERS
from kerastl.export.diagnosis.selective_report import FrontierPoint
from kerastl.export.runners.class_scores import predicted
from kerastl.export.runners.measure_file import measure_latency
from kerastl.export.runners.runner import load
from kerastl.export.utils.third_party import trust_file


@dataclasses.dataclass(frozen=True)
class FloatCandidate:
    """A layer that may be kept in float.

    Attributes:
        layer: Its name.
        names: Its name and those of the layers merged into it.
        operators: Names of the tensors that its operators write.
        and_readers: The same with the operators that read its output.
        cause: What most of its error is, as in `LayerError`.
    """

    layer: str
    names: tuple
    operators: frozenset
    and_readers: frozenset
    cause: str

    @property
    def needed(self):
        """What has to be float for the layer to have no error.

        Rounded weights are spared by a float operator. A rounded output is
        not: it would be rounded all the same for the operators that read it,
        unless they are float too.
        """
        return self.operators if self.cause == "weights" else self.and_readers


def float_candidates(examination):
    """Returns a `FloatCandidate` for each layer, the worst first.

    Args:
        examination: `Examination` of the file in which nothing is float.
    """
    tensors = {each.key: each for each in examination.file.tensors}
    matched = {each.tensor.key for each in examination.matches.values()}
    steps, readers = {}, {}
    for match in examination.matches.values():
        step, todo = set(), [match.tensor.key]
        while todo:
            key = todo.pop()
            step.add(key)
            for parent in tensors[key].parents:
                readers.setdefault(parent, set()).add(key)
                if parent in tensors and parent not in matched | step:
                    todo.append(parent)
        steps[match.tensor.key] = step
    found = []
    for place, row in examination.rows.items():
        key = examination.matches[place].tensor.key
        step = steps[key]
        wider = step | readers.get(key, set())
        found.append(
            FloatCandidate(
                layer=row.layer,
                names=(row.layer, *row.merged),
                operators=frozenset(tensors[each].name for each in step),
                and_readers=frozenset(tensors[each].name for each in wider),
                cause=row.cause,
            )
        )
    return found


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
