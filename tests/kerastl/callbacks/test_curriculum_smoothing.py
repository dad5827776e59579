import keras
import numpy as np
import pytest

from kerastl.callbacks import CurriculumSmoothing
from kerastl.layers import GaussianSmoothing2D


class Widths(keras.callbacks.Callback):
    def on_train_begin(self, logs=None):
        self.seen = []

    def on_epoch_end(self, epoch, logs=None):
        layers = [self.model.layers[i] for i in (1, 2)]
        self.seen.append([float(layer.sigma) for layer in layers])


@pytest.fixture
def model():
    model = keras.Sequential(
        [
            keras.Input((4, 4, 1)),
            GaussianSmoothing2D(),
            GaussianSmoothing2D(0.3),
            keras.layers.Flatten(),
            keras.layers.Dense(1),
        ]
    )
    model = keras.Model(model.inputs, model.outputs)
    model.compile("sgd", "mse", jit_compile=False)
    return model


@pytest.mark.parametrize("initial_epoch", [0, 2])
def test_widths_follow_from_the_epoch(model, initial_epoch):
    widths = Widths()
    model.fit(
        np.zeros((4, 4, 4, 1)),
        np.zeros((4, 1)),
        epochs=5,
        initial_epoch=initial_epoch,
        callbacks=[CurriculumSmoothing(0.8, 0.5, every=2), widths],
        verbose=0,
    )
    expected = [0.8, 0.8, 0.4, 0.4, 0.2][initial_epoch:]
    np.testing.assert_allclose(widths.seen, np.stack([expected] * 2, 1))


def test_published_and_scaled_curriculum():
    published = CurriculumSmoothing()
    assert published.sigma_at(4) == 1
    assert published.sigma_at(5) == pytest.approx(0.9)
    assert published.sigma_at(199) == pytest.approx(0.9**39)
    scaled = CurriculumSmoothing.scaled(epochs=20)
    for epoch in range(20):
        assert scaled.sigma_at(epoch) == published.sigma_at(10 * epoch)


def test_a_step_that_falls_on_an_epoch_is_not_lost_to_rounding():
    # 33 / 1.1 is 29.999999999999996.
    assert 33 // CurriculumSmoothing.scaled(44).every == 29
    for epochs, epoch, steps in ((44, 33, 30), (88, 55, 25), (108, 81, 30)):
        scaled = CurriculumSmoothing.scaled(epochs)
        assert scaled.sigma_at(epoch) == pytest.approx(0.9**steps, rel=1e-6)


def test_errors(model):
    for arguments in ({"sigma": 0}, {"decay": 1.1}, {"every": 0}):
        ((name, value),) = arguments.items()
        with pytest.raises(ValueError, match=f"{name}={value}"):
            CurriculumSmoothing(**arguments)
    plain = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    plain.compile("sgd", "mse", jit_compile=False)
    with pytest.raises(ValueError, match="add_curriculum_smoothing"):
        plain.fit(
            np.zeros((2, 2)),
            np.zeros((2, 1)),
            callbacks=[CurriculumSmoothing()],
            verbose=0,
        )
