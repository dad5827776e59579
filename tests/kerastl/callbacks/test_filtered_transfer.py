import keras
import numpy as np
import pytest

import kerastl
from kerastl.callbacks import FilteredTransfer
from kerastl.data import ArrayBatches
from kerastl.data import SampleFilter
from kerastl.data import with_index
from kerastl.losses import SampleStatistics


class Watch(keras.callbacks.Callback):
    def __init__(self, chosen):
        super().__init__()
        self.chosen = chosen
        self.kept = []
        self.known = []

    def on_epoch_begin(self, epoch, logs=None):
        self.kept.append(np.flatnonzero(self.chosen.kept).tolist())
        if self.model.transfer_losses:
            self.known.append(self.model.transfer_losses[0].result())


def fit(tuner, images, labels, chosen, callback, epochs=6, **kwargs):
    batches = ArrayBatches(
        with_index((images, labels)), 4, sample_filter=chosen
    )
    watch = Watch(chosen)
    tuner.fit(
        batches,
        epochs=epochs,
        verbose=0,
        callbacks=[callback, watch],
        **kwargs,
    )
    return watch


def compiled(network, *terms):
    tuner = kerastl.FineTuner(network)
    tuner.compile(
        keras.optimizers.SGD(0.1),
        "sparse_categorical_crossentropy",
        transfer_losses=list(terms),
    )
    return tuner


def test_tiers_of_known_confidence(make_network, images, labels):
    confidences = np.linspace(0, 1, 24)[
        np.random.default_rng(0).permutation(24)
    ]
    chosen = SampleFilter(24)
    callback = FilteredTransfer(chosen, (0.4, 0.7), confidences=confidences)
    tuner = compiled(make_network())
    watch = fit(tuner, images, labels, chosen, callback)
    assert callback.tier_starts() == [2, 4]
    for epoch, kept in enumerate(watch.kept):
        threshold = [0, 0, 0.4, 0.4, 0.7, 0.7][epoch]
        assert kept == np.flatnonzero(confidences >= threshold).tolist()
        assert len(kept) == [24, 24, 14, 14, 7, 7][epoch]


def at_tier(confidences, thresholds, epoch=1, **kwargs):
    """Which examples are kept in the second of two tiers."""
    chosen = SampleFilter(len(confidences))
    callback = FilteredTransfer(
        chosen, thresholds, confidences=confidences, starts=(1,), **kwargs
    )
    callback.set_params({"epochs": 2})
    callback.on_epoch_begin(epoch)
    return np.flatnonzero(chosen.kept).tolist()


def test_an_example_at_its_threshold_stays():
    confidences = [0.2, 0.5, 0.25, 0.75, 0.5, 0.1]
    assert at_tier(confidences, (0.5,)) == [1, 3, 4]
    assert at_tier(confidences, (0.5,), epoch=0) == list(range(6))
    # In whole batches the most doubtful leave.
    whole = at_tier(confidences, (0.5,), batch_size=2, whole_batches=True)
    assert whole == [1, 2, 3, 4]
    # Somebody has to train: the surest.
    assert at_tier(confidences, (0.9,)) == [3]


def test_the_networks_own_confidence(make_network, images, labels):
    keras.utils.set_random_seed(1)
    chosen = SampleFilter(24)
    term = SampleStatistics(24)
    tuner = compiled(make_network(), term)
    callback = FilteredTransfer(chosen, (0.33, 0.4), starts=(1, 3))
    watch = fit(tuner, images, labels, chosen, callback, epochs=3)
    doubtful = np.exp(-watch.known[1].loss)
    order = np.argsort(doubtful)
    count = int((doubtful < 0.33).sum())
    assert 0 < count < 24
    assert watch.kept[0] == list(range(24))
    assert watch.kept[1] == watch.kept[2] == sorted(order[count:].tolist())
    # Going on in the middle of a tier, as after a kill.
    fresh = SampleFilter(24)
    callback = FilteredTransfer(fresh, (0.33, 0.4), starts=(1, 3))
    again = fit(
        tuner, images, labels, fresh, callback, epochs=3, initial_epoch=2
    )
    assert again.kept == [watch.kept[2]]


def test_errors(make_network, images, labels):
    chosen = SampleFilter(24)
    with pytest.raises(ValueError, match="thresholds must rise"):
        FilteredTransfer(chosen, (0.5, 0.1))
    with pytest.raises(ValueError, match=r"starts=\(3,\)"):
        FilteredTransfer(chosen, (0.1, 0.5), starts=(3,))
    with pytest.raises(ValueError, match=r"shape \(3,\) for 24"):
        FilteredTransfer(chosen, (0.1,), confidences=[1, 1, 1])
    with pytest.raises(ValueError, match="SampleStatistics"):
        fit(
            compiled(make_network()),
            images,
            labels,
            chosen,
            FilteredTransfer(chosen),
        )
