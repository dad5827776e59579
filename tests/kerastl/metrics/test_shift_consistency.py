import keras
import numpy as np
import pytest

from kerastl.metrics import shift_consistency


@pytest.fixture
def pictures():
    return np.random.default_rng(0).normal(size=(20, 12, 10, 3))


def _corner(batch):
    """Predicts the brightest channel of the top left pixel."""
    return batch[:, 0, 0, :]


def test_against_a_plain_loop(pictures):
    labels = np.arange(20) % 3
    generator = np.random.default_rng(9)
    same, right = [], []
    for _ in range(3):
        for start in (0, 8, 16):
            batch = pictures[start : start + 8]
            # Crops of 7 x 6 in 12 x 10: 6 and 5 places.
            (a, b), (c, d) = generator.integers(0, [6, 5], (2, 2))
            one = batch[:, a, b].argmax(-1)
            two = batch[:, c, d].argmax(-1)
            same += list(one == two)
            truth = labels[start : start + 8]
            right += [*(one == truth), *(two == truth)]
    arguments = dict(
        crop_size=(7, 6), batch_size=8, passes=3, seed=9, labels=labels
    )
    assert shift_consistency(_corner, pictures, **arguments) == (
        pytest.approx(np.mean(same)),
        pytest.approx(np.mean(right)),
    )


def test_a_prediction_that_never_changes(pictures):
    constant = shift_consistency(lambda x: np.eye(3)[[1] * len(x)], pictures, 8)
    assert constant == 1.0


def test_same_seed_same_result(pictures):
    first, second, other = (
        shift_consistency(_corner, pictures, 8, seed=seed, batch_size=1)
        for seed in (1, 1, 2)
    )
    assert first == second != other


def test_keras_model(pictures):
    model = keras.Sequential(
        [keras.Input((8, 8, 3)), keras.layers.GlobalAveragePooling2D()]
    )
    by_hand = shift_consistency(lambda x: x.mean((1, 2)), pictures, 8)
    assert shift_consistency(model, pictures, 8) == by_hand


@pytest.mark.parametrize(
    ("images", "crop_size"),
    [
        (np.zeros((0, 9, 9, 3)), 8),
        (np.zeros((4, 9, 9)), 8),
        (np.zeros((4, 8, 8, 3)), 8),
        (np.zeros((4, 9, 7, 3)), 8),
        (np.zeros((4, 9, 9, 3)), 0),
    ],
)
def test_images_that_cannot_be_shifted(images, crop_size):
    with pytest.raises(ValueError, match="Received"):
        shift_consistency(_corner, images, crop_size)


def test_labels_that_do_not_fit(pictures):
    with pytest.raises(ValueError, match="labels"):
        shift_consistency(_corner, pictures, 8, labels=np.zeros((20, 3)))


def test_something_that_cannot_predict(pictures):
    with pytest.raises(ValueError, match="keras.Model"):
        shift_consistency("model", pictures, 8)
