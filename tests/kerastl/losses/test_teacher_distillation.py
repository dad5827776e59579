import keras
import numpy as np
import pytest
from keras import layers
from keras import ops

import kerastl
from kerastl.losses import TeacherDistillation


def make_terms(source):
    """What test_every_term trains, from a source of 7 classes."""
    teacher = kerastl.replace_head(source, 3, seed=5)
    return [TeacherDistillation(teacher)]


@pytest.fixture
def networks(make_network):
    """A student and two teachers, whose answers are their own."""
    made = []
    for seed in (1, 2, 3):
        keras.utils.set_random_seed(seed)
        network = make_network(3)
        head = network.get_layer("predictions")
        head.kernel.assign(head.kernel * 5.0)
        made.append(network)
    return made


def answers(model, images):
    return ops.convert_to_numpy(model(images, training=False))


def divergence(taught, given, temperature):
    """The published term, from probabilities, in float64."""

    def softened(probabilities):
        raised = probabilities.astype("float64") ** (1 / temperature)
        return raised / raised.sum(axis=-1, keepdims=True)

    taught, given = softened(taught), softened(given)
    return temperature**2 * (taught * np.log(taught / given)).sum(axis=-1)


def compiled(student, teacher, loss="sparse_categorical_crossentropy", **more):
    tuner = kerastl.FineTuner(student, batch_norm="freeze")
    tuner.compile(
        keras.optimizers.SGD(0.0),
        loss,
        transfer_losses=[TeacherDistillation(teacher, **more)],
    )
    return tuner


def term(tuner, *data):
    logs = tuner.train_on_batch(*data, return_dict=True)
    return logs["teacher_distillation"]


@pytest.mark.parametrize("temperature", [1.0, 4.0])
def test_value_over_labelled_and_unlabelled_images(
    networks, images, labels, temperature
):
    student, teacher, _ = networks
    expected = divergence(
        answers(teacher, images), answers(student, images), temperature
    )
    tuner = compiled(student, teacher, temperature=temperature)
    inputs = {"images": images[:6], "unlabelled": images[6:]}
    found = term(tuner, inputs, labels[:6])
    np.testing.assert_allclose(found, expected.mean(), rtol=1e-4)
    assert expected.mean() > 0.01
    # What it knows of the labelled images alone.
    tuner.reset_metrics()
    found = term(tuner, images[:6], labels[:6])
    np.testing.assert_allclose(found, expected[:6].mean(), rtol=1e-4)


def test_sample_weights_are_those_of_labelled_images(networks, images, labels):
    student, teacher, _ = networks
    expected = divergence(
        answers(teacher, images), answers(student, images), 2.0
    )
    weights = np.linspace(0, 2, len(images)).astype("float32")
    tuner = compiled(student, teacher)
    found = term(tuner, images, labels, weights)
    np.testing.assert_allclose(found, (weights * expected).mean(), rtol=1e-4)
    weights[6:] = 1
    tuner.reset_metrics()
    inputs = {"images": images[:6], "unlabelled": images[6:]}
    found = term(tuner, inputs, labels[:6], weights[:6])
    np.testing.assert_allclose(found, (weights * expected).mean(), rtol=1e-4)


def test_several_teachers_are_averaged(networks, images, labels):
    student, *teachers = networks
    mean = sum(answers(each, images) for each in teachers) / 2
    expected = divergence(mean, answers(student, images), 2.0).mean()
    found = term(compiled(student, tuple(teachers)), images, labels)
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_it_trains_the_student_and_not_the_teacher(networks, images):
    student, teacher, _ = networks
    before = [value.copy() for value in teacher.get_weights()]
    taught = answers(teacher, images)
    far = divergence(taught, answers(student, images), 1.0).mean()
    tuner = kerastl.FineTuner(student, batch_norm="freeze")
    tuner.compile(
        keras.optimizers.Adam(0.01),
        transfer_losses=[TeacherDistillation(teacher, temperature=1.0)],
    )
    tuner.fit(images, epochs=30, batch_size=8, verbose=0)
    near = divergence(taught, answers(student, images), 1.0).mean()
    assert near < far / 4
    for old, new in zip(before, teacher.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    (copy,) = tuner.transfer_losses[0].teachers
    assert not copy.trainable_variables
    np.testing.assert_allclose(answers(copy, images), taught, rtol=1e-5)


def test_a_teacher_of_larger_images_and_of_logits(make_network, images, labels):
    student = make_network(3)
    size = images.shape[1] * 2
    inputs = keras.Input((size, size, 3))
    x = layers.Conv2D(4, 3)(layers.Rescaling(1 / 255)(inputs))
    x = layers.GlobalAveragePooling2D()(x)
    teacher = keras.Model(inputs, layers.Dense(3)(x))
    larger = ops.image.resize(images, (size, size))
    logits = answers(teacher, larger)
    taught = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    expected = divergence(taught, answers(student, images), 2.0).mean()
    found = term(compiled(student, teacher), images, labels)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-6)


def test_yes_or_no(images, labels):
    def network(seed):
        keras.utils.set_random_seed(seed)
        inputs = keras.Input(images.shape[1:])
        x = layers.Conv2D(4, 3)(layers.Rescaling(1 / 255)(inputs))
        x = layers.GlobalAveragePooling2D()(x)
        return keras.Model(inputs, layers.Dense(1, "sigmoid")(x))

    student, teacher = network(1), network(2)
    taught, given = (
        np.concatenate([1 - yes, yes], -1)
        for yes in (answers(teacher, images), answers(student, images))
    )
    tuner = compiled(student, teacher, loss="binary_crossentropy")
    found = term(tuner, images, (labels[:, None] == 1).astype("float32"))
    expected = divergence(taught, given, 2.0).mean()
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-6)


def test_no_pass_of_the_teacher_in_evaluate(networks, images, labels):
    student, teacher, _ = networks
    tuner = compiled(student, teacher)
    (copy,) = tuner.transfer_losses[0].teachers

    def refuse(*_, **__):
        raise AssertionError("The teacher ran.")

    copy.call = refuse
    results = tuner.evaluate(images, labels, return_dict=True, verbose=0)
    assert set(results) == {"loss"}
    tuner.predict(images, verbose=0)


def test_what_is_refused(networks, make_network):
    student, teacher, _ = networks
    with pytest.raises(ValueError, match="at least one teacher"):
        TeacherDistillation([])
    with pytest.raises(ValueError, match=r"keras\.Model.*load_model"):
        TeacherDistillation("teacher.keras")
    with pytest.raises(ValueError, match="`temperature` must be .* above 0"):
        TeacherDistillation(teacher, temperature=0)
    two = keras.Model(teacher.inputs, [teacher.output, teacher.output])
    with pytest.raises(ValueError, match="1 inputs and 2 outputs"):
        TeacherDistillation(two)
    broken = kerastl.surgery.copy_model(teacher)
    broken.get_layer("predictions").bias.assign([0.0, np.nan, 0.0])
    with pytest.raises(ValueError, match="'predictions/bias' holds NaN"):
        TeacherDistillation(broken)
    for shape in ((32, 32, 1), (12, 3)):
        inputs = keras.Input(shape)
        odd = keras.Model(
            inputs, keras.layers.Dense(3)(keras.layers.Flatten()(inputs))
        )
        with pytest.raises(ValueError, match="no color images"):
            TeacherDistillation(odd)
    with pytest.raises(ValueError, match="with 5 classes, student with 3"):
        compiled(student, make_network(5))
