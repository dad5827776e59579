"""How many images run at once, and what comes first."""

from types import SimpleNamespace

import numpy as np
import pytest

from kerastl.export.diagnosis import examine as module
from kerastl.export.runners.inference_model import lower


@pytest.mark.parametrize(
    "values, count, size",
    [(10, 24, 24), (1_000_000, 24, 16), (20_000_000, 24, 1), (10, 0, 1)],
)
def test_fifty_million_values_are_held_at_once(values, count, size):
    """The file's, Keras's own, and Keras's from the file's."""

    class File:
        @staticmethod
        def run(images):
            assert len(images) == 1
            half = values // 2
            return {
                "a": np.broadcast_to(0, half),
                "b": np.broadcast_to(0, values - half),
            }

    images = np.zeros((max(count, 1), 2))
    assert module._batch_size(File(), images) == size


@pytest.mark.tensorflow_only
def test_batches_change_no_figure(net, files, images, monkeypatch):
    model = lower(net).model
    whole = module.examine(model, files["tflite"], images)
    sizes = []

    def batch_size(file, images):
        sizes.append(len(images))
        return 7

    monkeypatch.setattr(module, "_batch_size", batch_size)
    parts = module.examine(model, files["tflite"], images)
    assert sizes == [24]
    assert parts.rows.keys() == whole.rows.keys() == whole.matches.keys()
    for place, row in whole.rows.items():
        other = parts.rows[place]
        assert other.accumulated_sqnr == pytest.approx(
            row.accumulated_sqnr, rel=1e-4
        )
        assert other.seen == pytest.approx(row.seen, rel=1e-4)
    order = [(row.output_sqnr, row.sqnr) for row in whole.rows.values()]
    assert order == sorted(order)


def test_equal_harm_is_told_apart_by_the_own_error(monkeypatch):
    rows = {
        place: SimpleNamespace(output_sqnr=output, sqnr=own)
        for place, output, own in ((1, 20, 30), (2, 10, 9), (3, 20, 12))
    }
    seen = []

    class Statistics:
        def __init__(self, *_):
            pass

        def update(self, images, found):
            seen.append(len(images))

        def result(self):
            return rows

    class File:
        def run(self, images):
            return {"a": images}

    monkeypatch.setattr(module, "LayerStatistics", Statistics)
    monkeypatch.setattr(module, "keras_calls", lambda model: ([], 1))
    monkeypatch.setitem(module.READERS, ".tflite", lambda path: File())
    matched = []
    monkeypatch.setattr(
        module, "match_layers", lambda *given: matched.append(len(given[-1]))
    )
    found = module.examine(
        None, SimpleNamespace(suffix=".tflite"), np.zeros((5, 2))
    )
    assert list(found.rows) == [2, 3, 1]
    # Two images tell which tensor is which layer's.
    assert (matched, seen) == ([2], [5])
