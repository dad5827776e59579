"""The terms with `relative=True`, in networks that are not healthy."""

import keras
import numpy as np
import pytest

from kerastl.losses import DELTA
from kerastl.losses import GlobalLevel
from kerastl.losses import PixelLevel
from kerastl.losses.missed_share import missed_share

TERMS = {
    "pixel": lambda: PixelLevel(relative=True),
    "gap": lambda: GlobalLevel(relative=True),
    "gram": lambda: GlobalLevel(descriptor="gram", relative=True),
    "delta": lambda: DELTA(relative=True),
    "delta, one channel": lambda: DELTA(
        attention={"tap": [0, 0, 1, 0, 0, 0]}, relative=True
    ),
}
every_term = pytest.mark.parametrize("make", TERMS.values(), ids=TERMS)


@pytest.fixture
def pair():
    generator = np.random.default_rng(0)
    return [
        generator.normal(1, 1, (4, 5, 3, 6)).astype("float32") for _ in "ab"
    ]


def value(term, student, source):
    sides = [{"tap": keras.ops.convert_to_tensor(s)} for s in (student, source)]
    return float(term.call(*sides))


def gradient(term, student, source):
    """That of the term for the student's features, by one step of SGD."""

    class Features(keras.layers.Layer):
        def build(self, shape):
            self.values = self.add_weight(
                shape=student.shape, initializer="zeros"
            )

        def call(self, inputs):
            return self.values + 0 * keras.ops.sum(inputs)

    class Model(keras.Model):
        def compute_loss(self, x, y, y_pred, sample_weight, training=True):
            features = keras.ops.convert_to_tensor(source)
            return term.call({"tap": y_pred}, {"tap": features})

    inputs = keras.Input((1,))
    layer = Features()
    model = Model(inputs, layer(inputs))
    layer.values.assign(student)
    # A step that does not drown in what it is taken from.
    model.compile(keras.optimizers.SGD(1.0), jit_compile=False)
    model.fit(np.zeros((1, 1)), np.zeros(1), verbose=0)
    return student - keras.ops.convert_to_numpy(layer.values)


@pytest.mark.parametrize("energy", [1e-30, 1e-9, 1.0, 1e12])
@pytest.mark.parametrize("share", [0.0, 1e-3, 1.0, 9.99, 10.0, 1e3, 1e20])
def test_values(energy, share):
    expected = share if share <= 10 else 10 * (1 + np.log(share / 10))
    found = missed_share(
        *(
            keras.ops.convert_to_tensor(np.float32(number))
            for number in (share * energy, energy)
        )
    )
    assert float(found) == pytest.approx(expected, rel=1e-4)


@every_term
@pytest.mark.parametrize("scale", [1e-12, 1e-6, 1e-3, 1e3, 1e6])
def test_a_unit_changes_nothing(pair, make, scale):
    if scale == 1e-12 and make is TERMS["gram"]:
        pytest.skip("fourth powers of 1e-12 are no float32 numbers")
    student, source = pair
    expected = value(make(), student, source)
    assert 0.01 < expected < 5
    found = value(make(), scale * student, scale * source)
    assert found == pytest.approx(expected, rel=1e-3)


@every_term
def test_a_dead_tap_counts_nothing(pair, make):
    student, _ = pair
    dead = np.zeros_like(student)
    assert value(make(), student, dead) == 0
    assert value(make(), dead, dead) == 0
    assert not np.any(gradient(make(), student, dead))


@every_term
def test_dead_channels_change_nothing_but_the_mean(pair, make):
    student, source = (features.copy() for features in pair)
    for features in (student, source):
        features[..., :2] = 0
    found = value(make(), student, source)
    assert 0.01 < found < 5
    steps = gradient(make(), student, source)
    assert np.isfinite(steps).all()


@every_term
@pytest.mark.parametrize("away", [10, 1e3, 1e6])
def test_the_gradient_falls_where_the_student_is_far_away(pair, make, away):
    student, source = pair
    steep, far = (
        gradient(make(), source + factor * (student - source), source)
        for factor in (10, 10 * away)
    )
    # Of a square it would be `away` times as large.
    assert np.linalg.norm(far) <= np.linalg.norm(steep) * 1.01
    assert np.linalg.norm(far) < 30


def test_a_summary_that_cancels_out_is_not_divided_by():
    generator = np.random.default_rng(0)
    # What a linear block output is like: large values, no mean.
    source = generator.normal(size=(4, 16, 16, 6)).astype("float32")
    source -= source.mean((1, 2), keepdims=True)
    source += 1e-4
    student = source + np.float32(0.05)
    distance = np.mean((student.mean((1, 2)) - source.mean((1, 2))) ** 2)
    upright = np.mean(np.abs(source).mean((1, 2)) ** 2)
    term = GlobalLevel(relative=True)
    assert value(term, student, source) == pytest.approx(
        distance / (0.05 * upright), rel=1e-3
    )
    # Divided by what is left it would be 250 000.
    assert value(term, student, source) < 0.1


@pytest.mark.parametrize("descriptor", ["gap", "gram", "attention"])
def test_positive_features_are_divided_by_what_they_have(pair, descriptor):
    student, source = (np.abs(features) * 1e-3 for features in pair)
    term = GlobalLevel(descriptor=descriptor, relative=True)
    summaries = [
        keras.ops.convert_to_numpy(term.describe(features))
        for features in (student, source)
    ]
    expected = np.sum((summaries[0] - summaries[1]) ** 2)
    expected /= np.sum(summaries[1] ** 2)
    assert value(term, student, source) == pytest.approx(expected, rel=1e-3)


def test_half_precision():
    student, source = (
        np.full((2, 4, 4, 3), number, "float16") for number in (3e-4, 1e-4)
    )
    for term in (PixelLevel(relative=True), GlobalLevel(relative=True)):
        # 1e-8 is no float16 number.
        assert value(term, student, source) == pytest.approx(4, rel=1e-2)
