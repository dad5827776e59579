"""Features in detail; with `relative=True` in networks that are not healthy."""

import keras
import numpy as np
import pytest

import kerastl
from kerastl.losses import DELTA
from kerastl.losses import GlobalLevel
from kerastl.losses import PixelLevel
from kerastl.losses.feature_distance import missed_share

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


@pytest.fixture
def features():
    generator = np.random.default_rng(0)
    shapes = {"early": (2, 6, 4, 3), "late": (2, 3, 2, 5)}
    return [
        {tap: generator.normal(size=shape) for tap, shape in shapes.items()}
        for _ in range(2)
    ]


def _value(loss, student, source):
    return float(
        loss.call(
            *(
                {t: keras.ops.convert_to_tensor(v) for t, v in side.items()}
                for side in (student, source)
            )
        )
    )


def test_mean_over_everything_summed_over_taps(features):
    student, source = features
    expected = sum(np.mean((student[t] - source[t]) ** 2) for t in student)
    assert _value(PixelLevel(), student, source) == pytest.approx(expected)


def test_paper_scaling_sums_over_all_but_the_batch(features):
    student, source = features
    expected = sum(np.sum((student[t] - source[t]) ** 2) / 2 for t in student)
    assert _value(
        PixelLevel(paper_scaling=True), student, source
    ) == pytest.approx(expected, rel=1e-5)


def test_relative_is_the_share_that_is_missed(features):
    student, source = features
    expected = sum(
        np.sum((student[t] - source[t]) ** 2) / np.sum(source[t] ** 2)
        for t in student
    )
    assert _value(PixelLevel(relative=True), student, source) == pytest.approx(
        expected, rel=1e-5
    )
    # What is scaled alike in both networks counts the same.
    larger = [{t: 100 * v for t, v in side.items()} for side in features]
    assert _value(PixelLevel(relative=True), *larger) == pytest.approx(
        expected, rel=1e-5
    )


def test_only_one_scaling():
    with pytest.raises(ValueError, match="choose one"):
        PixelLevel(paper_scaling=True, relative=True)


def test_tap_weights_by_name_and_in_order(features):
    student, source = features
    early, late = (
        np.mean((student[t] - source[t]) ** 2) for t in ("early", "late")
    )
    by_name = PixelLevel(tap_weights={"late": 0.5})
    assert _value(by_name, student, source) == pytest.approx(early + late / 2)
    in_order = PixelLevel(taps=["late", "early"], tap_weights=[3, 0])
    assert in_order.tap_weights == {"late": 3.0, "early": 0.0}
    assert _value(in_order, student, source) == pytest.approx(3 * late)


def test_half_precision_features_are_compared_in_float32():
    student = {"tap": np.full((1, 64, 64, 8), 200.0, "float16")}
    source = {"tap": np.full((1, 64, 64, 8), -200.0, "float16")}
    # 400 squared does not fit in float16.
    assert _value(PixelLevel(), student, source) == pytest.approx(160000.0)


@pytest.mark.parametrize("weight", [-1, float("nan"), float("inf"), "much"])
def test_bad_weight(weight):
    with pytest.raises(ValueError, match="Received: weight="):
        PixelLevel(weight)
    with pytest.raises(ValueError, match="tap_weights"):
        PixelLevel(tap_weights={"early": weight})


def test_tap_weights_that_do_not_fit():
    with pytest.raises(ValueError, match="same length"):
        PixelLevel(tap_weights=[1, 2])
    with pytest.raises(ValueError, match="does not compare"):
        PixelLevel(taps=["early"], tap_weights={"late": 1})


def test_config_round_trip():
    loss = PixelLevel(
        2, taps=["a", "b"], tap_weights=[1, 2], paper_scaling=True, name="pix"
    )
    config = keras.saving.serialize_keras_object(loss)
    assert config["registered_name"] == "kerastl>PixelLevel"
    again = keras.saving.deserialize_keras_object(config)
    assert again.get_config() == loss.get_config()


def test_default_names():
    assert PixelLevel().name == "pixel_level"
    assert kerastl.losses.GlobalLevel().name == "global_level"
