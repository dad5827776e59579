import keras
import numpy as np
import pytest

import kerastl
from kerastl.losses import PixelLevel


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
