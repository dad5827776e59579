"""Epochs at which a network is changed, and how it is."""

from types import SimpleNamespace

import keras
import numpy as np
import pytest
from keras import layers

import kerastl
from kerastl.callbacks.reinitialization import PeriodCallback
from kerastl.callbacks.reinitialization import fan_in_draw
from kerastl.callbacks.reinitialization import reset_slots

# What one output is made of, by the weight's name.
CASES = {
    "dense": (layers.Dense(30), (7,), {"kernel": 7, "bias": 7}),
    "convolution": (
        layers.Conv2D(12, (3, 2)),
        (8, 8, 5),
        {"kernel": 30, "bias": 30},
    ),
    "groups": (
        layers.Conv2D(12, 3, groups=2),
        (8, 8, 6),
        {"kernel": 27, "bias": 27},
    ),
    "depthwise": (
        layers.DepthwiseConv2D(3, depth_multiplier=2),
        (8, 8, 16),
        {"kernel": 9, "bias": 9},
    ),
    "depthwise in one dimension": (
        layers.DepthwiseConv1D(5, depth_multiplier=2),
        (8, 6),
        {"kernel": 5, "bias": 5},
    ),
    "separable in one dimension": (
        layers.SeparableConv1D(20, 5),
        (8, 10),
        {"depthwise_kernel": 5, "pointwise_kernel": 10, "bias": 10},
    ),
    "separable": (
        layers.SeparableConv2D(20, 3),
        (8, 8, 10),
        {"depthwise_kernel": 9, "pointwise_kernel": 10, "bias": 10},
    ),
    "no bias": (layers.Dense(30, use_bias=False), (7,), {"kernel": 7}),
}


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


@pytest.mark.parametrize("name", CASES)
def test_bounds(name):
    layer, shape, inputs = CASES[name]
    layer = type(layer).from_config(layer.get_config())
    layer.build((None, *shape))
    before = layer.get_weights()
    draws = [fan_in_draw(layer, [3, seed]) for seed in range(30)]
    again = fan_in_draw(layer, [3, 0])
    for place, variable in enumerate(layer.weights):
        values = np.array([draw[place] for draw in draws])
        bound = 1 / np.sqrt(inputs[variable.name])
        assert values.shape[1:] == variable.shape
        assert 0.95 * bound < values.max() <= bound
        assert -bound <= values.min() < -0.95 * bound
        np.testing.assert_array_equal(again[place], values[0])
        np.testing.assert_array_equal(layer.get_weights()[place], before[place])


class Scaled(layers.Layer):
    """Its kernel is not the first of its weights, and has a name of its own."""

    def build(self, shape):
        self.scale = self.add_weight(name="scale", initializer="ones")
        self.inner = self.add_weight(name="a_kernel", shape=(shape[-1], 40))
        self.built = True


def test_a_kernel_behind_other_weights():
    layer = Scaled()
    layer.build((None, 16))
    scale, kernel = fan_in_draw(layer, 1)
    assert float(scale) == 1.0
    assert 0.95 / 4 < np.abs(kernel).max() <= 1 / 4


def test_what_has_no_kernel_starts_as_it_did():
    layer = layers.BatchNormalization()
    layer.build((None, 4))
    layer.set_weights([np.full(4, 3.0)] * 4)
    for drawn, expected in zip(
        fan_in_draw(layer, 1), (1, 0, 0, 1), strict=True
    ):
        np.testing.assert_array_equal(drawn, np.full(4, expected))
    assert isinstance(layer, keras.layers.Layer)


@pytest.mark.parametrize(
    "make",
    [
        lambda: keras.optimizers.SGD(0.1, momentum=0.9),
        lambda: keras.optimizers.Adam(0.1),
        lambda: keras.optimizers.MultiOptimizer(
            keras.optimizers.OptimizerMap(keras.optimizers.Adam(0.1))
        ),
    ],
    ids=["sgd", "adam", "multi"],
)
def test_of_two_weights_of_one_path_only_one_is_reset(make, make_two_streams):
    model = make_two_streams()
    optimizer = make()
    optimizer.build(model.trainable_variables)
    part = getattr(optimizer, "optimizers", [optimizer])[0]
    for variable in part.variables[2:]:
        variable.assign(np.ones(variable.shape))
    chosen = model.get_layer("ir").get_layer("first_conv").kernel
    assert [v.path for v in model.trainable_variables].count(chosen.path) == 2
    reset_slots(optimizer, [chosen])
    # Moments of the kernel of "ir", by the place of the weight.
    place = [id(v) for v in part._trainable_variables].index(id(chosen))
    kinds = (len(part.variables) - 2) // len(part._trainable_variables)
    slots = [np.array(v) for v in part.variables[2:]]
    zeros = {i for i, slot in enumerate(slots) if not slot.any()}
    if kinds == 1:
        assert zeros == {place}
    else:
        number = len(part._trainable_variables)
        assert zeros in (
            {place, place + number},
            {2 * place, 2 * place + 1},
        )


def test_rifle_draws_every_layer_of_a_name_anew(
    make_two_streams, images, labels
):
    def changed(name):
        model = make_two_streams()
        still = keras.optimizers.SGD(0.0)
        model.compile(still, "sparse_categorical_crossentropy")
        names = ("rgb", "ir")
        kernels = [
            model.get_layer(name).get_layer("second_conv").kernel
            for name in names
        ]
        before = [np.array(kernel) for kernel in kernels]
        rifle = kerastl.callbacks.RIFLE(periods=2, layers=[name], seed=0)
        model.fit(images, labels, epochs=2, callbacks=[rifle], verbose=0)
        return [
            name
            for name, kernel, value in zip(names, kernels, before, strict=True)
            if not np.array_equal(kernel, value)
        ]

    assert changed("second_conv") == ["rgb", "ir"]
    assert changed("ir/second_conv") == ["ir"]
