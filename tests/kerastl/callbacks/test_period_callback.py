"""Epochs at which a network is changed."""

from types import SimpleNamespace

import keras
import pytest

from kerastl.callbacks.period_callback import PeriodCallback


class Noting(PeriodCallback):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.begun = []

    def begin_period(self, epoch):
        self.begun.append(epoch)


@pytest.mark.parametrize(
    "periods, epochs, expected",
    [
        (1, 5, []),
        (2, 5, [2]),
        (3, 9, [3, 6]),
        (3, 11, [3, 6]),
        (5, 5, [1, 2, 3, 4]),
    ],
)
def test_the_first_epochs_of_all_periods_but_the_first(
    periods, epochs, expected
):
    callback = Noting(periods, seed=0)
    assert callback.epochs == []
    callback.set_params({"epochs": epochs})
    callback.on_train_begin()
    assert callback.epochs == expected
    assert callback.period == epochs // periods
    for epoch in range(epochs):
        callback.on_epoch_begin(epoch)
    assert callback.begun == expected


@pytest.mark.parametrize("periods", [0, -1, 1.0, "2", None])
def test_what_is_no_number_of_periods(periods):
    with pytest.raises(ValueError, match=f"periods={periods!r}"):
        PeriodCallback(periods)


def test_more_periods_than_epochs():
    callback = PeriodCallback(4)
    callback.set_params({"epochs": 3})
    with pytest.raises(ValueError, match="periods=4, epochs=3"):
        callback.on_train_begin()


def test_a_seed_is_kept_or_taken_from_keras():
    assert Noting(2, seed=7).seed == 7
    seeds = []
    for start in (1, 1, 2):
        keras.utils.set_random_seed(start)
        seeds.append(Noting(2).seed)
    assert seeds[0] == seeds[1] != seeds[2]
    assert isinstance(seeds[0], int)


def test_the_network_of_a_tuner_is_its_student():
    callback = Noting(2)
    model = SimpleNamespace()
    callback.set_model(model)
    assert callback.network is model
    model.student = "student"
    assert callback.network == "student"
    with pytest.raises(NotImplementedError, match="begin_period"):
        PeriodCallback(2).begin_period(1)
