import keras
import numpy as np
import pytest

import kerastl
from kerastl.losses import ShiftConsistency
from kerastl.losses.image_views import second_view


def make_terms(source):
    """What test_every_term trains, from a source of 7 classes."""
    # Unmoved: random generators are not kept, and draw the same here only.
    term = ShiftConsistency(shift=0, teacher_momentum=0.8)
    return [term]


@pytest.fixture
def student(make_network):
    """A network that is sure of its answers, and of others once it moves."""
    network = make_network(3)
    head = network.get_layer("predictions")
    head.kernel.assign(head.kernel * 5.0)
    return network


def compiled(student, rate=0.0, jit_compile=False, **more):
    tuner = kerastl.FineTuner(student, batch_norm="freeze")
    tuner.compile(
        keras.optimizers.SGD(rate),
        "sparse_categorical_crossentropy",
        transfer_losses=[ShiftConsistency(seed=7, **more)],
        jit_compile=jit_compile,
    )
    return tuner


def term(tuner, *data):
    tuner.reset_metrics()
    logs = tuner.train_on_batch(*data, return_dict=True)
    return float(logs["shift_consistency"])


def answers(model, images):
    outputs = model(np.asarray(images, "float32"), training=False)
    return keras.ops.convert_to_numpy(outputs).astype("float64")


def divergence(better, given):
    return (better * np.log(better / given)).sum(axis=-1)


def moved(images, shift):
    """What the first step of a term with the seed 7 looks at."""
    generator = keras.random.SeedGenerator(7)
    return keras.ops.convert_to_numpy(
        second_view(images, generator, shift, flip=False)
    )


@pytest.mark.parametrize("jit_compile", [False, True])
def test_value_over_labelled_and_unlabelled_images(
    student, images, labels, jit_compile
):
    view = moved(images, 0.25)
    assert np.abs(view - images).max() > 0
    expected = divergence(answers(student, images), answers(student, view))
    assert expected.mean() > 1e-3
    tuner = compiled(student, shift=0.25, jit_compile=jit_compile)
    inputs = {"images": images[:6], "unlabelled": images[6:]}
    found = term(tuner, inputs, labels[:6])
    assert found == pytest.approx(expected.mean(), rel=1e-3)


def test_images_that_stay_are_answered_alike(student, images, labels):
    assert term(compiled(student, shift=0), images, labels) == pytest.approx(
        0, abs=1e-6
    )


@pytest.mark.parametrize("momentum", [None, 0.0, 0.25])
def test_the_average_is_the_one_that_answers(student, images, labels, momentum):
    """In step n it keeps the momentum, and at most 1 - 1 / n."""
    tuner = compiled(student, rate=0.5, shift=0, teacher_momentum=momentum)
    first = student.get_weights()
    term(tuner, images, labels)
    second = student.get_weights()
    momentum = momentum or 0.0
    average = [
        momentum * one + (1 - momentum) * two
        for one, two in zip(first, second, strict=True)
    ]
    given = answers(student, images)
    student.set_weights(average)
    expected = divergence(answers(student, images), given).mean()
    student.set_weights(second)
    # Its own moments do not follow, and none are trained here.
    assert term(tuner, images, labels) == pytest.approx(
        expected, rel=1e-3, abs=1e-7
    )
    assert (expected > 1e-5) == (momentum > 0)


@pytest.mark.tensorflow_only
def test_the_image_as_it_is_has_no_gradient(student, images):
    import tensorflow as tf

    view, better = moved(images, 0.25), answers(student, images)
    kernel = student.get_layer("predictions").kernel
    before = kernel.numpy()
    with tf.GradientTape() as tape:
        given = tf.math.log(student(view, training=False))
        value = -tf.reduce_mean(tf.reduce_sum(better * given, axis=-1))
    gradient = tape.gradient(value, kernel.value).numpy()
    assert np.abs(gradient).max() > 1e-3
    tuner = kerastl.FineTuner(student, batch_norm="freeze")
    tuner.compile(
        keras.optimizers.SGD(1.0),
        transfer_losses=[ShiftConsistency(shift=0.25, seed=7)],
    )
    tuner.train_on_batch(images)
    np.testing.assert_allclose(
        before - kernel.numpy(), gradient, rtol=1e-3, atol=1e-5
    )


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"shift": 1.0}, "`shift` must be .* Received: shift=1.0"),
        ({"teacher_momentum": 1.5}, "`teacher_momentum` must be"),
        ({"seed": 0.5}, "`seed` must be"),
        ({"weight": -1}, "`weight` must be"),
    ],
)
def test_arguments_are_checked(arguments, message):
    with pytest.raises(ValueError, match=message):
        ShiftConsistency(**arguments)


def test_config_round_trip():
    term = ShiftConsistency(0.5, 0.2, 0.9, seed=3, name="steady")
    config = term.get_config()
    assert config == {
        "weight": 0.5,
        "name": "steady",
        "shift": 0.2,
        "teacher_momentum": 0.9,
        "seed": 3,
    }
    assert ShiftConsistency.from_config(config).get_config() == config
