"""Files of a search, each written and measured once."""

import keras
import numpy as np
import pytest
from keras import layers

from kerastl.export.diagnosis.float_search import FloatCandidate
from kerastl.export.diagnosis.float_search import FloatSearch

pytestmark = pytest.mark.tensorflow_only


def network(shift):
    model = keras.Sequential(
        [keras.Input((1, 1, 2)), layers.Flatten(), layers.Dense(2)]
    )
    model.set_weights([np.eye(2), np.array([0.0, shift])])
    return model


IMAGES = np.zeros((10, 1, 1, 2), "float32")
IMAGES[..., 0] = np.linspace(0.1, 1, 10)[:, None, None]
LABELS = np.array([0] * 8 + [1] * 2)


class Variants:
    """Files that are right more often the more is float."""

    def __init__(self, folder):
        self.written, self.contents = [], []
        for shift in (0.65, 0.25, 0.0):
            path = folder / f"{shift}.tflite"
            network(shift).export(path, format="litert", verbose=False)
            self.contents.append(path.read_bytes())

    def write(self, path, in_float):
        self.written.append(in_float)
        path.write_bytes(self.contents[len(in_float)])


def test_what_each_number_of_layers_costs(tmp_path):
    variants = Variants(tmp_path)
    path = tmp_path / "a.tflite"
    search = FloatSearch(variants, path, network(0.0), (IMAGES, LABELS), 1)
    assert (search.candidates, search.num_operators) == ([], None)
    first = search.try_layers(0)
    # 4 of 10 are above 0.65, and two of those are wrong.
    assert (first.num_layers, first.accuracy) == (0, 0.2)
    assert first.accuracy_drop == pytest.approx(0.6)
    assert first.size_bytes == path.stat().st_size
    assert first.latency_ms > 0
    search.candidates = [
        FloatCandidate("a", ("a",), frozenset("a"), frozenset("ab"), "weights"),
        FloatCandidate("b", ("b",), frozenset("b"), frozenset("bc"), "weights"),
    ]
    second, last = search.try_layers(1), search.try_layers(2)
    assert (second.accuracy, last.accuracy) == (0.6, 0.8)
    assert last.accuracy_drop == 0
    assert search.try_layers(1) is second
    # Everything is float here.
    assert search.num_operators == last.float_operators > 0
    assert variants.written == [frozenset(), frozenset("a"), frozenset("ab")]
    assert search.frontier() == (first, second, last)
    search.write(1)
    assert path.read_bytes() == variants.contents[1]
    assert search.frontier() == (first, second, last)
