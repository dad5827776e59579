import math
import warnings

import keras
import numpy as np
import pytest

import kerastl
from kerastl.callbacks import KAKURENBO
from kerastl.data import ArrayBatches
from kerastl.data import SampleFilter
from kerastl.data import with_index
from kerastl.losses import SampleStatistics
from kerastl.losses.sample_statistics import Statistics


class Watch(keras.callbacks.Callback):
    """Notes what every epoch is like, as it starts."""

    def __init__(self, chosen):
        super().__init__()
        self.chosen = chosen
        self.epochs = []

    def on_epoch_begin(self, epoch, logs=None):
        self.epochs.append(
            {
                "known": self.model.transfer_losses[0].result(),
                "hidden": np.flatnonzero(~self.chosen.kept),
                "rate": float(self.model.optimizer.learning_rate),
                "steps": 0,
            }
        )

    def on_train_batch_end(self, batch, logs=None):
        self.epochs[-1]["steps"] += 1


@pytest.fixture
def run(make_network, images, labels):
    def run(**kwargs):
        keras.utils.set_random_seed(3)
        chosen = SampleFilter(24)
        tuner = kerastl.FineTuner(make_network())
        tuner.compile(
            keras.optimizers.SGD(0.2),
            "sparse_categorical_crossentropy",
            transfer_losses=[SampleStatistics(24)],
        )
        batches = ArrayBatches(
            with_index((images, labels)), 5, sample_filter=chosen
        )
        watch = Watch(chosen)
        options = {
            "fraction": 0.6,
            "decay": ((0.5, 0.5),),
            "confidence": 0.4,
            "batch_size": 5,
            **kwargs,
        }
        hiding = KAKURENBO(chosen, images, labels, **options)
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)
            tuner.fit(batches, epochs=8, verbose=0, callbacks=[hiding, watch])
        assert chosen.kept.all()
        return watch.epochs

    return run


def test_what_is_hidden(run):
    epochs = run()
    assert len(epochs[0]["hidden"]) == 0 and epochs[0]["rate"] == (
        pytest.approx(0.2)
    )
    counts = []
    for number, epoch in enumerate(epochs[1:], start=1):
        known = epoch["known"]
        fraction = 0.6 if number < 4 else 0.3
        assert epoch["rate"] == pytest.approx(0.2 / (1 - fraction))
        lowest = sorted(range(24), key=lambda i: known.loss[i])
        lowest = lowest[: int(fraction * 24)]
        stay = sorted(
            i for i in lowest if known.correct[i] and known.confidence[i] >= 0.4
        )
        np.testing.assert_array_equal(epoch["hidden"], stay)
        counts.append(len(stay))
        assert epoch["steps"] == math.ceil((24 - len(stay)) / 5)
    # The exact set, of whatever size.
    assert any(count % 5 for count in counts) and max(counts) > 5


def test_fewer_images_than_a_batch_are_hidden_too(run):
    """The rate is raised for what is hidden, not for nothing."""
    hidden = [epoch["hidden"] for epoch in run(batch_size=32, confidence=0.0)]
    assert max(map(len, hidden)) > 0


def test_whole_batches(run):
    counts = []
    for number, epoch in enumerate(
        run(whole_batches=True, correction="hidden")
    ):
        known, fraction = epoch["known"], 0.6 if number < 4 else 0.3
        order = np.argsort(known.loss, kind="stable")[: int(fraction * 24)]
        stay = order[known.correct[order] & (known.confidence[order] >= 0.4)]
        count = len(stay) // 5 * 5 if number else 0
        np.testing.assert_array_equal(epoch["hidden"], np.sort(stay[:count]))
        assert epoch["rate"] == pytest.approx(0.2 / (1 - count / 24))
        counts.append(count)
    assert max(counts) >= 5


class Known:
    """Statistics that a test decides on."""

    def __init__(self, **arrays):
        self.arrays = arrays

    def result(self):
        return Statistics(**self.arrays)


def test_who_moves_back(monkeypatch):
    """Exactly at the threshold an example is learned."""
    count = 10
    known = {
        "loss": np.array([5, 0, 1, 2, 3, 4, 6, 7, 8, 9.0]),
        "confidence": np.full(count, 0.9),
        "correct": np.ones(count, bool),
        "seen": np.ones(count, bool),
        "dropped": np.zeros(count, bool),
    }
    known["confidence"][[1, 2]] = 0.7, 0.69
    known["correct"][3] = False
    chosen = SampleFilter(count)
    hiding = KAKURENBO(chosen, None, np.zeros(count), fraction=0.5)
    hiding.set_params({"epochs": 100})
    hiding.learning_rate = 0.1

    class Model:
        optimizer = keras.optimizers.SGD(0.1)

    hiding.set_model(Model())
    monkeypatch.setattr(hiding, "statistics", lambda: Known(**known))
    hiding.on_epoch_begin(1)
    # Of the five lowest, 2 is unsure and 3 wrong.
    np.testing.assert_array_equal(np.flatnonzero(~chosen.kept), [1, 4, 5])
    assert float(hiding.model.optimizer.learning_rate) == pytest.approx(0.2)
    known["seen"][9] = False
    hiding.on_epoch_begin(2)
    assert chosen.kept.all()
    assert float(hiding.model.optimizer.learning_rate) == pytest.approx(0.1)


def test_hidden_examples_are_brought_up_to_date(run, make_network):
    epochs = run()
    for before, after in zip(epochs, epochs[1:], strict=False):
        hidden = before["hidden"]
        if len(hidden):
            assert (
                before["known"].loss[hidden] != after["known"].loss[hidden]
            ).all()
            break
    else:
        pytest.fail("nothing was hidden")


def test_correction_by_what_is_really_hidden(run):
    for epoch in run(correction="hidden"):
        share = len(epoch["hidden"]) / 24
        assert epoch["rate"] == pytest.approx(0.2 / (1 - share))


def test_a_rate_by_epoch(run):
    for number, epoch in enumerate(
        run(fraction=0.0, learning_rate=lambda e: 0.1 / (1 + e))
    ):
        assert epoch["rate"] == pytest.approx(0.1 / (1 + number))


def test_default_fractions():
    hiding = KAKURENBO(SampleFilter(10), None, [])
    hiding.set_params({"epochs": 200})
    found = [hiding.fraction_at(e) for e in (0, 59, 60, 119, 120, 159, 160)]
    expected = [0.3, 0.3, 0.24, 0.24, 0.18, 0.18, 0.12]
    np.testing.assert_allclose(found, expected)


def test_errors(make_network, images, labels):
    chosen = SampleFilter(24)
    with pytest.raises(ValueError, match="fraction=1"):
        KAKURENBO(chosen, images, labels, fraction=1)
    with pytest.raises(ValueError, match="correction='max'"):
        KAKURENBO(chosen, images, labels, correction="max")
    with pytest.raises(ValueError, match="whole_batches=True"):
        KAKURENBO(chosen, images, labels, whole_batches=True)
    with pytest.raises(ValueError, match="num_samples=0"):
        SampleFilter(0)
    tuner = kerastl.FineTuner(make_network())
    inputs, _ = with_index((images, labels))
    schedule = keras.optimizers.schedules.CosineDecay(0.1, 100)
    for rate, terms, message in (
        (0.1, [], r"SampleStatistics\(24\)"),
        (0.1, [SampleStatistics(30)], r"\[30\] as `num_samples`"),
        (schedule, [SampleStatistics(24)], "schedule of steps"),
    ):
        tuner.compile(
            keras.optimizers.SGD(rate),
            "sparse_categorical_crossentropy",
            transfer_losses=terms,
        )
        with pytest.raises(ValueError, match=message):
            tuner.fit(
                inputs,
                labels,
                verbose=0,
                callbacks=[KAKURENBO(chosen, images, labels)],
            )
