"""What a transfer loss may be: trained, stateful, semi-supervised."""

import textwrap

import keras
import numpy as np
import pytest
from keras import ops

import kerastl

SECOND_HEAD = textwrap.dedent(
    '''
    import keras
    from keras import ops

    import kerastl

    @keras.saving.register_keras_serializable(package="test")
    class SecondHead(kerastl.losses.TransferLoss):
        """Predicts one number from the embedding, and counts its steps."""

        needs_embedding = True
        needs_source = False

        def build(self, tuner):
            self.head = keras.layers.Dense(1, name="second_head")
            self.head.build((None, 12))
            self.counter = keras.layers.Layer(name="counter")
            self.steps = self.counter.add_weight(
                name="steps", initializer="zeros", trainable=False
            )

        @property
        def layers(self):
            return [self.head, self.counter]

        def compute(self, step):
            self.steps.assign(self.steps + 1.0)
            return ops.mean((self.head(step.student_embedding) - 1.0) ** 2)
    '''
)


class Recorder(kerastl.losses.TransferLoss):
    """Keeps what an eager step gave it."""

    def compute(self, step):
        self.step = step
        return ops.convert_to_tensor(0.0)


class Smoothing(kerastl.losses.TransferLoss):
    """Moves a part of the label to the other classes."""

    needs_source = False
    changes_target = True

    def change_target(self, y, step):
        return 0.7 * y + 0.1

    def compute(self, step):
        return ops.convert_to_tensor(0.0)


def _second_head():
    names = {}
    exec(SECOND_HEAD, names)
    return names["SecondHead"]()


def _compile(tuner, *terms, **kwargs):
    tuner.compile(
        optimizer=keras.optimizers.SGD(0.05),
        loss=kwargs.pop("loss", "sparse_categorical_crossentropy"),
        transfer_losses=list(terms),
        metrics=["accuracy"],
        **kwargs,
    )
    return tuner


def _features(model, images, training):
    model = kerastl.surgery.copy_model(model)
    extractor = kerastl.surgery.feature_extractor(
        model, ["block1_add", "out_relu", "pool"], include_output=True
    )
    predictions, features = extractor(images, training=training)
    return ops.convert_to_numpy(predictions), {
        tap: ops.convert_to_numpy(value) for tap, value in features.items()
    }


@pytest.mark.parametrize("nested", [False, True])
def test_embedding_is_what_the_head_reads(make_network, images, labels, nested):
    source = make_network()
    if nested:
        backbone = keras.Model(source.inputs, source.get_layer("pool").output)
        source = keras.Sequential([backbone, source.get_layer("predictions")])
        source.build((None, 16, 16, 3))
    student = kerastl.replace_head(source, 5)
    _, expected = _features(student, images, training=True)
    _, of_source = _features(source, images, training=False)
    tuner = kerastl.FineTuner(student, source)
    assert tuner.embedding == ["pool", "pool"]
    term = Recorder()
    _compile(tuner, term, run_eagerly=True)
    if keras.backend.backend() == "jax":
        # Eager values leave a JAX step only through what it returns.
        pytest.skip("JAX traces the step even when asked to run eagerly")
    tuner.train_on_batch(images, labels)
    for embedding, features in (
        (term.step.student_embedding, expected),
        (term.step.source_embedding, of_source),
    ):
        np.testing.assert_allclose(embedding, features["pool"], atol=1e-5)


@pytest.mark.tensorflow_only
def test_unlabelled_images_share_the_pass(make_network, images, labels):
    student, source = make_network(), make_network()
    term = Recorder()
    tuner = kerastl.FineTuner(student, source)
    _compile(tuner, term, run_eagerly=True)
    predictions, features = _features(student, images, training=True)
    _, of_source = _features(source, images, training=False)
    inputs = {
        "images": images[:16],
        "unlabelled": images[16:],
        "index": np.arange(16) + 5,
    }
    logs = tuner.train_on_batch(inputs, labels[:16], return_dict=True)
    step = term.step
    np.testing.assert_array_equal(step.index, np.arange(16) + 5)
    np.testing.assert_array_equal(step.x, images[:16])
    np.testing.assert_array_equal(step.unlabelled.x, images[16:])
    assert step.unlabelled.y is None
    for part, rows in ((step, slice(16)), (step.unlabelled, slice(16, None))):
        np.testing.assert_allclose(
            part.predictions, predictions[rows], atol=1e-5
        )
        for tap in tuner.taps:
            np.testing.assert_allclose(
                part.student[tap], features[tap][rows], atol=1e-4
            )
            np.testing.assert_allclose(
                part.source[tap], of_source[tap][rows], atol=1e-4
            )
        np.testing.assert_allclose(
            part.student_embedding, features["pool"][rows], atol=1e-5
        )
        np.testing.assert_allclose(
            part.source_embedding, of_source["pool"][rows], atol=1e-5
        )
    picked = predictions[np.arange(16), labels[:16]]
    np.testing.assert_allclose(logs["loss"], -np.log(picked).mean(), rtol=1e-4)


@pytest.mark.parametrize("jit_compile", [False, True])
def test_unlabelled_images_train(make_network, images, labels, jit_compile):
    tuner = kerastl.FineTuner(make_network(), make_network())
    _compile(tuner, kerastl.losses.PixelLevel(), jit_compile=jit_compile)
    inputs = {"images": images[:16], "unlabelled": images[16:][:8].repeat(2, 0)}
    history = tuner.fit(inputs, labels[:16], batch_size=8, epochs=3, verbose=0)
    assert history.history["loss"][-1] < history.history["loss"][0]
    accuracy = tuner.evaluate(images, labels, return_dict=True)["accuracy"]
    expected = ops.convert_to_numpy(tuner.student(images)).argmax(-1) == labels
    np.testing.assert_allclose(accuracy, expected.mean(), rtol=1e-5)


def test_the_weights_of_a_term_train(make_network, images, labels):
    tuner = kerastl.FineTuner(make_network())
    term = _second_head()
    _compile(tuner, term)
    before = ops.convert_to_numpy(term.head.kernel)
    trained = len(tuner.student.trainable_variables) + 2
    assert len(tuner.trainable_variables) == trained
    history = tuner.fit(
        images, labels, batch_size=8, epochs=4, verbose=0
    ).history["second_head"]
    assert history[-1] < history[0]
    assert np.abs(ops.convert_to_numpy(term.head.kernel) - before).max() > 0.01
    assert float(term.steps.value) == 12
    assert tuner.student.count_params() == make_network().count_params()


@pytest.mark.slow
def test_the_weights_of_a_term_are_saved(
    make_network, images, labels, tmp_path, run_in_fresh_process
):
    tuner = _compile(kerastl.FineTuner(make_network()), _second_head())
    tuner.fit(images, labels, batch_size=8, verbose=0)
    tuner.save(tmp_path / "tuner.keras")
    np.savez(tmp_path / "data.npz", images=images, labels=labels)
    source = SECOND_HEAD + textwrap.dedent(
        """
        import sys
        import numpy as np

        data = np.load(sys.argv[2])
        tuner = keras.saving.load_model(sys.argv[1])
        tuner.fit(
            data["images"], data["labels"], batch_size=8, verbose=0,
            shuffle=False,
        )
        term, = tuner.transfer_losses
        print(float(term.steps.value), float(ops.sum(term.head.kernel)))
        """
    )
    steps, total = run_in_fresh_process(
        source, tmp_path / "tuner.keras", tmp_path / "data.npz"
    ).split()[-2:]
    tuner.fit(images, labels, batch_size=8, verbose=0, shuffle=False)
    (term,) = tuner.transfer_losses
    assert float(steps) == 6
    np.testing.assert_allclose(
        float(total), float(ops.sum(term.head.kernel)), rtol=1e-4
    )


@pytest.mark.parametrize(
    "loss",
    [
        "sparse_categorical_crossentropy",
        keras.losses.SparseCategoricalCrossentropy(),
    ],
)
def test_changed_labels(make_network, images, labels, loss):
    student = make_network()
    predictions, _ = _features(student, images, training=True)
    tuner = _compile(kerastl.FineTuner(student), Smoothing(), loss=loss)
    evaluated = tuner.evaluate(images, labels, return_dict=True, verbose=0)
    plain = ops.convert_to_numpy(student(images))[np.arange(24), labels]
    np.testing.assert_allclose(
        evaluated["loss"], -np.log(plain).mean(), rtol=1e-4
    )
    logs = tuner.train_on_batch(images, labels, return_dict=True)
    target = 0.7 * np.eye(3)[labels] + 0.1
    expected = -(target * np.log(predictions)).sum(-1).mean()
    np.testing.assert_allclose(logs["loss"], expected, rtol=1e-4)
    np.testing.assert_allclose(
        logs["accuracy"], (predictions.argmax(-1) == labels).mean(), rtol=1e-5
    )


def test_changed_labels_need_a_crossentropy(make_network):
    with pytest.raises(ValueError, match="changes the labels"):
        _compile(kerastl.FineTuner(make_network()), Smoothing(), loss="mse")


def test_no_embedding_to_compare(make_network):
    source = make_network()
    student = keras.Model(
        source.inputs,
        [source.output, source.get_layer("pool").output],
    )
    tuner = kerastl.FineTuner(student)
    with pytest.raises(ValueError, match=r"FineTuner\(embedding"):
        tuner.compile("sgd", transfer_losses=[_second_head()])


@pytest.mark.parametrize(
    "make_term",
    [
        Smoothing,
        lambda: kerastl.losses.Adversarial(steps=1, seed=3),
        lambda: kerastl.losses.BiTuning(),
        None,
    ],
)
def test_a_network_of_dicts_has_the_terms_of_the_plain_one(
    make_network, images, labels, make_term
):
    plain = make_network()
    logs = []
    for in_dicts in (False, True):
        keras.utils.set_random_seed(0)
        student = kerastl.surgery.copy_model(plain)
        teacher = make_network()
        if in_dicts:
            student, teacher = (
                keras.Model(
                    {"image": network.inputs[0]},
                    {"answer": network.outputs[0]},
                )
                for network in (student, teacher)
            )
        term = kerastl.losses.TeacherDistillation(teacher)
        if make_term is not None:
            term = make_term()
        loss = "sparse_categorical_crossentropy"
        tuner = kerastl.FineTuner(student)
        tuner.compile(
            keras.optimizers.SGD(0.05),
            {"answer": loss} if in_dicts else loss,
            transfer_losses=[term],
        )
        data = (images, labels)
        if in_dicts:
            data = {"image": images}, {"answer": labels}
        logs.append(tuner.train_on_batch(*data, return_dict=True))
    assert logs[0].keys() == logs[1].keys()
    for name, value in logs[0].items():
        np.testing.assert_allclose(logs[1][name], value, rtol=1e-4)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_an_unlabelled_image_of_no_numbers_shows_in_the_loss(
    make_network, images, labels, value
):
    tuner = _compile(
        kerastl.FineTuner(make_network()),
        kerastl.losses.TeacherDistillation(make_network()),
    )
    unlabelled = images.copy()
    unlabelled[5] = value
    inputs = {"images": images, "unlabelled": unlabelled}
    logs = tuner.train_on_batch(inputs, labels, return_dict=True)
    assert np.isnan(logs["loss"])
