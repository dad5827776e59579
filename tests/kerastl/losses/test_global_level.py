import keras
import numpy as np
import pytest

from kerastl.losses import GlobalLevel

REFERENCES = {
    "gap": lambda f: f.mean((1, 2)),
    "gram": lambda f: (
        np.einsum("bhwc,bhwd->bcd", f, f) / (f.shape[1] * f.shape[2])
    ),
    "attention": lambda f: _unit((f**2).sum(-1).reshape(len(f), -1)),
    "similarity": lambda f: _unit(
        f.reshape(len(f), -1) @ f.reshape(len(f), -1).T
    ),
}


def _unit(rows):
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


@keras.saving.register_keras_serializable(package="kerastl_tests")
def channel_maximum(features):
    return keras.ops.max(features, axis=(1, 2))


@pytest.fixture
def pair():
    generator = np.random.default_rng(0)
    return [
        generator.normal(size=(4, 5, 3, 6)).astype("float32") for _ in range(2)
    ]


def _value(loss, student, source):
    return float(
        loss.call(
            {"tap": keras.ops.convert_to_tensor(student)},
            {"tap": keras.ops.convert_to_tensor(source)},
        )
    )


@pytest.mark.parametrize("descriptor", REFERENCES)
@pytest.mark.parametrize("paper_scaling", [False, True])
def test_descriptors_against_numpy(pair, descriptor, paper_scaling):
    student, source = pair
    describe = REFERENCES[descriptor]
    squares = (describe(student) - describe(source)) ** 2
    expected = squares.sum() / 4 if paper_scaling else squares.mean()
    loss = GlobalLevel(descriptor=descriptor, paper_scaling=paper_scaling)
    assert _value(loss, student, source) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("descriptor", REFERENCES)
def test_relative_divides_by_the_source_summary(pair, descriptor):
    student, source = pair
    summaries = [REFERENCES[descriptor](features) for features in pair]
    expected = ((summaries[0] - summaries[1]) ** 2).sum()
    expected /= (summaries[1] ** 2).sum()
    loss = GlobalLevel(descriptor=descriptor, relative=True)
    assert _value(loss, student, source) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("descriptor", REFERENCES)
def test_gradient_of_a_dead_map_is_finite(descriptor):
    layer = keras.layers.Conv2D(2, 1, kernel_initializer="zeros")
    inputs = keras.Input((3, 3, 1))
    loss = GlobalLevel(descriptor=descriptor)

    class Model(keras.Model):
        def compute_loss(self, x, y, y_pred, sample_weight, training=True):
            ones = keras.ops.ones_like(y_pred)
            return loss.call({"tap": y_pred}, {"tap": ones})

    model = Model(inputs, layer(inputs))
    model.compile(keras.optimizers.SGD(0.1))
    model.fit(np.ones((2, 3, 3, 1)), np.zeros(2), verbose=0)
    assert all(np.isfinite(w).all() for w in model.get_weights())


def test_gap_forgets_what_averages_out():
    """The property that the paper's abstract asks of the global term."""
    flat = np.zeros((1, 4, 4, 1), "float32")
    checkers = flat.copy()
    checkers[:, ::2, ::2] = checkers[:, 1::2, 1::2] = 1
    checkers[:, 1::2, ::2] = checkers[:, ::2, 1::2] = -1
    assert _value(GlobalLevel(), checkers, flat) == 0


def test_pooled_features_are_their_own_mean():
    student, source = np.ones((2, 5)), np.zeros((2, 5))
    assert _value(GlobalLevel(), student, source) == pytest.approx(1.0)


def test_registered_callable_survives_the_config(pair):
    loss = GlobalLevel(3.0, descriptor=channel_maximum, name="peaks")
    again = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(loss)
    )
    expected = np.mean((pair[0].max((1, 2)) - pair[1].max((1, 2))) ** 2)
    assert _value(again, *pair) == pytest.approx(expected, rel=1e-5)
    assert (again.weight, again.name) == (3.0, "peaks")


def test_unknown_descriptor_names_the_nearest():
    with pytest.raises(ValueError, match="Did you mean 'gram'"):
        GlobalLevel(descriptor="gramm")


def test_descriptor_that_could_not_be_saved():
    with pytest.raises(ValueError, match="register_keras_serializable"):
        GlobalLevel(descriptor=lambda features: features)
