import keras
import numpy as np
import pytest
from keras import layers
from scipy import optimize
from scipy import special

from kerastl.metrics import expected_calibration_error
from kerastl.metrics import fit_temperature
from kerastl.metrics.fit_temperature import best_temperature
from kerastl.metrics.fit_temperature import class_logits
from kerastl.metrics.fit_temperature import tempered


def by_scipy(logits, labels):
    """The temperature that SciPy finds for the loss of Guo et al."""

    def loss(logarithm):
        chances = special.log_softmax(logits / np.exp(logarithm), axis=-1)
        return -chances[np.arange(len(labels)), labels].mean()

    found = optimize.minimize_scalar(
        loss,
        bounds=(np.log(0.05), np.log(20)),
        method="bounded",
        options={"xatol": 1e-10},
    )
    return np.exp(found.x)


def draw(count, classes, sureness, seed=0):
    """Logits that are `sureness` times those that the labels come from."""
    generator = np.random.default_rng(seed)
    logits = generator.normal(0, 1.5, (count, classes))
    chances = special.softmax(logits, axis=-1)
    labels = np.array([generator.choice(classes, p=row) for row in chances])
    return sureness * logits, labels


@pytest.mark.parametrize("sureness", [0.5, 1.0, 3.0])
@pytest.mark.parametrize("classes", [2, 6])
def test_the_likelihood_has_its_maximum_there(classes, sureness):
    logits, labels = draw(300, classes, sureness)
    found = best_temperature(logits, labels)
    assert found.temperature == pytest.approx(
        by_scipy(logits, labels), rel=1e-4
    )
    assert found.low < sureness < found.high
    assert found.images == 300
    assert found.mistakes == (logits.argmax(-1) != labels).sum()
    np.testing.assert_allclose(
        tempered(logits, sureness),
        special.softmax(logits / sureness, axis=-1),
    )


def test_the_interval_holds_the_truth_as_often_as_it_says():
    held = sum(
        found.low <= 2.0 <= found.high
        for seed in range(200)
        for found in [best_temperature(*draw(80, 4, 2.0, seed))]
    )
    # 190 are expected, with a deviation of 3.
    assert 179 <= held <= 199
    few, many = (best_temperature(*draw(n, 4, 2.0)) for n in (40, 4000))
    assert few.high / few.low > 2 > 1.2 > many.high / many.low


def test_calibration_error_falls_on_other_images():
    logits, labels = draw(2000, 5, 3.0)
    found = best_temperature(logits[:1000], labels[:1000])
    before, after = (
        expected_calibration_error(tempered(logits[1000:], t), labels[1000:])
        for t in (1.0, found.temperature)
    )
    assert after < 0.06 < before / 3


def test_images_that_are_all_right_leave_it_at_one():
    logits = np.array([[2.0, 0.0], [0.0, 1.0], [0.5, 0.0]])
    found = best_temperature(logits, np.array([0, 1, 0]))
    assert found == (1.0, None, None, 3, 0)


def test_what_has_no_minimum_ends_at_the_bounds():
    logits = np.array([[1.0, 0.0], [0.0, 1.0]])
    found = best_temperature(logits, np.array([1, 0]))
    assert found == (20.0, None, None, 2, 2)
    # As good as all right: one mistake that is nearly none.
    logits = np.array([[0.01, 0.0]] * 50 + [[0.0, 1e-4]])
    found = best_temperature(logits, np.zeros(51, int))
    assert found == (0.05, None, None, 51, 1)
    # And an interval that says nothing stays within them.
    logits = np.array([[100.0, 0.0]] * 50 + [[0.0, 1e-3]])
    found = best_temperature(logits, np.zeros(51, int))
    assert found[1:3] == pytest.approx((0.05, 20))


@pytest.mark.parametrize("end", ["softmax", "logits", "sigmoid", "yes_logit"])
def test_of_whatever_a_network_ends_in(images, end):
    units = 3 if end in ("softmax", "logits") else 1
    activation = end if end in ("softmax", "sigmoid") else None
    inputs = keras.Input(images.shape[1:])
    x = layers.GlobalAveragePooling2D()(layers.Rescaling(1 / 25)(inputs))
    network = keras.Model(inputs, layers.Dense(units, activation)(x))
    kernel = np.random.default_rng(1).normal(0, 4, (3, units))
    network.layers[-1].kernel.assign(kernel - kernel.mean())
    features = keras.ops.convert_to_numpy(
        keras.Model(inputs, x)(images)
    ).astype("float64")
    logits = features @ (kernel - kernel.mean())
    if units == 1:
        network.layers[-1].bias.assign([-np.median(logits)])
        logits = logits - np.median(logits)
        logits = np.concatenate([np.zeros_like(logits), logits], axis=-1)
    generator = np.random.default_rng(2)
    labels = generator.integers(0, max(units, 2), len(images))
    found = fit_temperature(network, (images, labels), batch_size=7)
    expected = best_temperature(logits, labels)
    assert expected.mistakes and found.images == len(images)
    np.testing.assert_allclose(
        np.array(found, float), np.array(expected, float), rtol=2e-3
    )
    batches = [(images[:9], labels[:9]), (images[9:], labels[9:])]
    again = fit_temperature(network, batches)
    np.testing.assert_allclose(
        np.array(again, float), np.array(found, float), rtol=1e-4
    )


def test_outputs_that_were_rounded_to_0_and_1_stay_finite():
    assert np.isfinite(class_logits([[0.0], [1.0]], "sigmoid")).all()
    rows = class_logits(np.array([[0.0, 1.0]], "float32"), "probabilities")
    assert np.isfinite(rows).all() and rows[0].argmax() == 1


def test_what_is_refused(make_network, images, labels):
    network = make_network(3)
    with pytest.raises(ValueError, match="come without labels"):
        fit_temperature(network, images)
    with pytest.raises(ValueError, match="no images to fit"):
        fit_temperature(network, [])
    with pytest.raises(ValueError, match="one of 3 classes.*from 5 to 5"):
        fit_temperature(network, (images, np.full(len(images), 5)))
    with pytest.raises(ValueError, match="Received: model="):
        fit_temperature("model.keras", (images, labels))
    with pytest.raises(ValueError, match="diverged.*1 of 2 images"):
        best_temperature(np.array([[1.0, np.nan], [0, 1]]), np.array([0, 1]))
