"""Runs a file beside its Keras model, layer by layer."""

import dataclasses

import numpy as np

from kerastl.export.diagnosis.layer_statistics import LayerStatistics
from kerastl.export.diagnosis.match_layers import match_layers
from kerastl.export.diagnosis.read_onnx import read_onnx
from kerastl.export.diagnosis.read_tflite import read_tflite
from kerastl.export.runners.file_graph import FileGraph
from kerastl.export.runners.keras_calls import keras_calls

READERS = {".tflite": read_tflite, ".onnx": read_onnx}

_NUM_MATCHING = 2
# Values that are held at once, of both graphs together.
_MOST_VALUES = 50_000_000


@dataclasses.dataclass(frozen=True)
class Examination:
    """What came out, by the place of a layer's output.

    Attributes:
        rows: Dict of place to `LayerError`, the worst first.
        matches: Dict of place to `Match`.
        file: `FileGraph`.
    """

    rows: dict
    matches: dict
    file: FileGraph


def examine(model, path, images):
    """Measures the error of each layer of a model in a file.

    Args:
        model: Functional model that the file was written from, lowered.
        path: `pathlib.Path` of the .tflite or .onnx file.
        images: Array of images.

    Returns:
        An `Examination`.
    """
    calls, output = keras_calls(model)
    file = READERS[path.suffix](path)
    matches = match_layers(calls, output, file, images[:_NUM_MATCHING])
    statistics = LayerStatistics(calls, output, matches)
    size = _batch_size(file, images)
    for start in range(0, len(images), size):
        batch = images[start : start + size]
        statistics.update(batch, file.run(batch))
    rows = sorted(
        statistics.result().items(),
        key=lambda item: (item[1].output_sqnr, item[1].sqnr),
    )
    return Examination(dict(rows), matches, file)


def _batch_size(file, images):
    one = sum(value.size for value in file.run(images[:1]).values())
    # The file's, Keras's own, and Keras's from the file's.
    return int(np.clip(_MOST_VALUES // (3 * one), 1, len(images)))
