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
    callback = FilteredTransfer(
        chosen, (0.4, 0.7), confidences=confidences, batch_size=4
    )
    tuner = compiled(make_network())
    watch = fit(tuner, images, labels, chosen, callback)
    assert callback.tier_starts() == [2, 4]
    order = np.argsort(confidences)
    for epoch, kept in enumerate(watch.kept):
        # 10 and 17 of the 24 are below; whole batches of 4 leave.
        left = [0, 0, 8, 8, 16, 16][epoch]
        assert kept == sorted(order[left:].tolist())
        assert (confidences[order[:left]] < 0.7).all()


def test_the_networks_own_confidence(make_network, images, labels):
    keras.utils.set_random_seed(1)
    chosen = SampleFilter(24)
    term = SampleStatistics(24)
    tuner = compiled(make_network(), term)
    callback = FilteredTransfer(
        chosen, (0.33, 0.4), starts=(1, 3), batch_size=2
    )
    watch = fit(tuner, images, labels, chosen, callback, epochs=3)
    doubtful = np.exp(-watch.known[1].loss)
    order = np.argsort(doubtful)
    count = int((doubtful < 0.33).sum()) // 2 * 2
    assert 0 < count < 24
    assert watch.kept[0] == list(range(24))
    assert watch.kept[1] == watch.kept[2] == sorted(order[count:].tolist())
    # Going on in the middle of a tier, as after a kill.
    fresh = SampleFilter(24)
    callback = FilteredTransfer(fresh, (0.33, 0.4), starts=(1, 3), batch_size=2)
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
