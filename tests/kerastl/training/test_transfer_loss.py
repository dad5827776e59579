"""What a user's own term has from its base class, in a training."""

import types

import keras
import numpy as np
import pytest
from keras import layers
from keras import ops

import kerastl
from kerastl.losses import TransferLoss
from kerastl.training.transfer_loss import batch_mean
from kerastl.training.transfer_loss import embedding_units

SIDE = {"one": 1.0, "two": 2.0, "three": 4.0}
STEP = types.SimpleNamespace(
    student=SIDE, source={"one": 0.5, "two": 0.0, "three": 1.0}
)

VALUES = np.array([1.0, 2.0, 6.0], "float32")


class Difference(TransferLoss):
    def call(self, student, source):
        assert student.keys() == source.keys()
        return sum(
            self.tap_weight(tap) * (student[tap] - source[tap])
            for tap in student
        )


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, 0.5 + 2 + 3),
        ({"taps": ["one", "three"]}, 0.5 + 3),
        ({"taps": ["three", "one"], "tap_weights": [2, 0]}, 6),
        ({"tap_weights": {"two": 3}}, 0.5 + 3 * 2 + 3),
        ({"taps": []}, 0),
    ],
)
def test_taps_and_their_weights(options, expected):
    term = Difference(**options)
    assert term.compute(STEP) == expected
    again = Difference.from_config(term.get_config())
    assert again.get_config() == term.get_config()
    assert again.compute(STEP) == expected


def test_a_tap_that_the_source_lacks_is_left_out_of_its_side():
    class Sizes(TransferLoss):
        def call(self, student, source):
            return len(student), len(source)

    step = types.SimpleNamespace(student=SIDE, source={"two": 1.0})
    assert Sizes().compute(step) == (3, 1)


def test_a_term_has_a_name_a_weight_and_no_layers():
    term = Difference()
    assert (term.name, term.weight, term.layers) == ("difference", 1.0, [])
    assert Difference(name="mine").name == "mine"
    assert type("L2Term", (TransferLoss,), {})().name == "l2_term"


@pytest.mark.parametrize("weight", [-1.0, float("nan"), float("inf")])
def test_weights_that_are_none(weight):
    with pytest.raises(ValueError, match="`weight`"):
        Difference(weight)
    with pytest.raises(ValueError, match=r"tap_weights\['one'\]"):
        Difference(tap_weights={"one": weight})


@pytest.mark.parametrize(
    "options",
    [
        {"tap_weights": [1.0]},
        {"tap_weights": [1.0], "taps": ["one", "two"]},
        {"tap_weights": {"one": 1.0}, "taps": ["two"]},
    ],
)
def test_tap_weights_without_their_taps(options):
    with pytest.raises(ValueError, match="taps"):
        Difference(**options)


def test_in_a_training(make_network, images, labels):
    """Of a copy that differs, with nothing but `call` of one's own."""

    class Squares(TransferLoss):
        def call(self, student, source):
            return sum(
                self.tap_weight(tap)
                * ops.mean(ops.square(student[tap] - source[tap]))
                for tap in student
            )

    source = make_network()
    student = kerastl.surgery.copy_model(source)
    kernel = student.get_layer("down_conv").kernel
    kernel.assign(kernel * 2.0)
    taps = ["block1_add", "block2_add"]
    tuner = kerastl.FineTuner(student, source, taps=taps, batch_norm="freeze")
    tuner.compile(
        keras.optimizers.SGD(0.0),
        "sparse_categorical_crossentropy",
        transfer_losses=[Squares(0.5, tap_weights={"block2_add": 3.0})],
    )
    values = []
    for network in (student, source):
        features = kerastl.surgery.feature_extractor(network, taps)(images)
        values.append([ops.convert_to_numpy(features[tap]) for tap in taps])
    early, late = (np.mean((a - b) ** 2) for a, b in zip(*values, strict=True))
    assert early == 0 < late
    plain = tuner.evaluate(images, labels, verbose=0)
    logs = tuner.train_on_batch(images, labels, return_dict=True)
    np.testing.assert_allclose(logs["squares"], 3 * late, rtol=1e-4)
    np.testing.assert_allclose(logs["loss"], plain + 1.5 * late, rtol=1e-4)


@pytest.fixture
def channels_first():
    keras.config.set_image_data_format("channels_first")
    yield
    keras.config.set_image_data_format("channels_last")


def units(shape, *more):
    model = keras.Sequential(
        [keras.Input(shape), layers.ReLU(name="features"), *more]
    )
    tuner = types.SimpleNamespace(student=model, embedding=["features"])
    return embedding_units(tuner)


def test_channels_come_last():
    assert units((5,)) == 5
    assert units((3, 4, 5)) == 5


def test_channels_come_first_in_images_alone(channels_first):
    assert units((3, 4, 5)) == 3
    assert units((5,)) == 5
    assert units((4, 5)) == 5


def test_as_keras_takes_it():
    """Over the batch, not over the sum of the weights."""
    assert float(batch_mean(VALUES)) == 3.0
    for weights in ([2.0, 0.0, 3.0], [[2.0], [0.0], [3.0]], [2, 0, 3]):
        found = batch_mean(VALUES, np.array(weights))
        assert float(found) == pytest.approx((2 * 1 + 3 * 6) / 3)
