import keras
import numpy as np
import pytest
from keras import layers

import kerastl
from kerastl.losses import GlobalLevel
from kerastl.losses import PixelLevel

TAPS = ["block1_add", "out_relu"]


def _crossentropy(probabilities, labels, weights=1.0):
    picked = probabilities[np.arange(len(labels)), labels]
    return np.mean(-np.log(picked) * weights)


def _run(model, images, training):
    """Output and taps, computed apart from the tuner."""
    # The copy, because a training pass moves the statistics.
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    outputs = [copy.output, *(copy.get_layer(tap).output for tap in TAPS)]
    values = keras.Model(copy.inputs, outputs)(images, training=training)
    return [keras.ops.convert_to_numpy(value) for value in values]


def _blurred_pair(make_network):
    source = make_network()
    return kerastl.antialias(source), source


def _compile(tuner, **kwargs):
    kwargs.setdefault("transfer_losses", [PixelLevel(2.0), GlobalLevel(10.0)])
    kwargs.setdefault("optimizer", keras.optimizers.SGD(0.01, momentum=0.9))
    tuner.compile(
        loss="sparse_categorical_crossentropy", metrics=["accuracy"], **kwargs
    )


@pytest.mark.parametrize("weighted", [False, True])
def test_loss_is_the_sum_of_its_parts(make_network, images, labels, weighted):
    student, source = _blurred_pair(make_network)
    kerastl.regularizers.L2(0.3, 0.3).attach(student)
    weights = np.linspace(0.1, 2, len(images)) if weighted else None
    predictions, *student_features = _run(student, images, training=True)
    _, *source_features = _run(source, images, training=False)
    pairs = list(zip(student_features, source_features, strict=True))
    pixel = sum(np.mean((a - b) ** 2) for a, b in pairs)
    mean = sum(
        np.mean((a.mean((1, 2)) - b.mean((1, 2))) ** 2) for a, b in pairs
    )
    crossentropy = _crossentropy(
        predictions, labels, weights if weighted else 1.0
    )
    decay = 0.15 * sum(
        np.sum(w.numpy() ** 2)
        for w in student.trainable_variables
        if w.name == "kernel"
    )

    tuner = kerastl.FineTuner(student, source)
    _compile(tuner)
    logs = tuner.train_on_batch(
        images, labels, sample_weight=weights, return_dict=True
    )

    assert tuner.taps == TAPS
    assert logs["pixel_level"] == pytest.approx(pixel, rel=1e-4)
    assert logs["global_level"] == pytest.approx(mean, rel=1e-4)
    assert logs["loss"] == pytest.approx(
        crossentropy + 2 * pixel + 10 * mean + decay, rel=1e-4
    )


def test_class_weight_scales_the_supervised_part(make_network, images, labels):
    student, source = _blurred_pair(make_network)
    class_weight = {0: 0.5, 1: 1.0, 2: 4.0}
    predictions, *_ = _run(student, images, training=True)
    expected = _crossentropy(
        predictions, labels, np.array([class_weight[k] for k in labels])
    )
    tuner = kerastl.FineTuner(student, source)
    _compile(tuner, transfer_losses=[PixelLevel(0.0)])
    logs = tuner.train_on_batch(
        images, labels, class_weight=class_weight, return_dict=True
    )
    assert logs["loss"] == pytest.approx(expected, rel=1e-4)
    assert logs["pixel_level"] > 0


def test_one_step_moves_the_weights_along_the_gradient_of_all_terms(
    make_network, images, labels
):
    student, source = _blurred_pair(make_network)
    before = student.get_layer("stem_conv").kernel.numpy()
    tuner = kerastl.FineTuner(student, source)
    _compile(
        tuner,
        optimizer=keras.optimizers.SGD(1e-3),
        transfer_losses=[PixelLevel(100.0)],
    )
    first, second = (
        tuner.train_on_batch(images, labels, return_dict=True)["pixel_level"]
        for _ in range(2)
    )
    assert second < first
    assert np.abs(student.get_layer("stem_conv").kernel.numpy() - before).max()


class _Counter(layers.Layer):
    calls = 0

    def call(self, x, training=None):
        _Counter.calls += 1
        return x


def test_one_pass_of_each_in_training_and_no_source_otherwise(
    make_network, images, labels
):
    source, student = make_network(), make_network(name="student")
    counted = [
        keras.Sequential([keras.Input((16, 16, 3)), _Counter(), model])
        for model in (source, student)
    ]
    tuner = kerastl.FineTuner(counted[1], counted[0])
    _compile(tuner, run_eagerly=True, jit_compile=False)
    for act, calls in (
        (lambda: tuner.train_on_batch(images, labels), 2),
        (lambda: tuner.evaluate(images, labels, batch_size=24, verbose=0), 1),
        (lambda: tuner.predict(images, batch_size=24, verbose=0), 1),
    ):
        _Counter.calls = 0
        act()
        if keras.backend.backend() == "tensorflow":
            assert _Counter.calls == calls


def test_terms_show_in_history_and_not_in_validation(
    make_network, images, labels
):
    tuner = kerastl.FineTuner(*_blurred_pair(make_network))
    _compile(tuner, transfer_losses=[PixelLevel(0.0, name="pix")])
    history = tuner.fit(
        images, labels, validation_data=(images, labels), verbose=0, epochs=2
    )
    assert set(history.history) == {
        "accuracy",
        "loss",
        "pix",
        "val_accuracy",
        "val_loss",
    }
    assert all(value > 0 for value in history.history["pix"])
    assert set(tuner.evaluate(images, labels, verbose=0, return_dict=True)) == {
        "accuracy",
        "loss",
    }
    assert len(tuner.evaluate(images, labels, verbose=0)) == 2
    assert len(tuner.test_on_batch(images, labels)) == 2


def test_evaluate_is_the_plain_model(make_network, images, labels):
    student, source = _blurred_pair(make_network)
    tuner = kerastl.FineTuner(student, source)
    _compile(tuner)
    loss, _ = tuner.evaluate(images, labels, verbose=0)
    predictions = student.predict(images, verbose=0)
    assert loss == pytest.approx(_crossentropy(predictions, labels), rel=1e-4)
    # Two compiled programs of the same network: not bit for bit on JAX.
    np.testing.assert_allclose(
        tuner.predict(images, verbose=0), predictions, atol=1e-6
    )
    assert tuner.student is student


def test_the_source_stays_what_it_was(make_network, images, labels):
    source = make_network()
    before = [w.copy() for w in source.get_weights()]
    earlier = kerastl.surgery.copy_model(source)
    student = kerastl.replace_head(source, 3)
    tuner = kerastl.FineTuner(student, source)
    later = kerastl.antialias(source)
    _compile(tuner)
    tuner.fit(images, labels, verbose=0)
    for old, new in zip(before, source.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    trainable = len(source.trainable_variables)
    assert trainable == 4 * 3 + 2
    assert source.get_layer("stem_bn").momentum == 0.999
    for model in (earlier, later, student):
        assert len(model.trainable_variables) == trainable
    assert not tuner.source.trainable_variables
    # No head: it ends in what that would read.
    assert tuner.source.layers[-1].name == "pool"


def test_student_that_shares_its_layers_with_the_source(
    make_network, images, labels
):
    """The classic idiom: a new head on `base.output`."""
    source = make_network()
    outputs = layers.Dense(3, activation="softmax", name="new")(
        source.get_layer("pool").output
    )
    student = keras.Model(source.input, outputs)
    tuner = kerastl.FineTuner(student, source)
    kept = [w.copy() for w in tuner.source.get_weights()]
    _compile(tuner)
    tuner.fit(images, labels, verbose=0, epochs=2)
    assert tuner.student is student
    kernel = source.get_layer("stem_conv").kernel.numpy()
    assert np.abs(kernel - kept[0]).max() > 0
    for old, new in zip(kept, tuner.source.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    assert len(student.trainable_variables) == 4 * 3 + 2


def test_a_frozen_source_freezes_nobody(make_network, images, labels):
    source = make_network()
    source.trainable = False
    student = kerastl.replace_head(source, 3)
    tuner = kerastl.FineTuner(student, source)
    assert len(tuner.trainable_variables) == 4 * 3 + 2
    assert not source.trainable


def test_nested_backbone_gives_the_same_terms(make_network, images, labels):
    source = make_network()
    student = kerastl.antialias(source)
    flat = kerastl.FineTuner(student, source)
    backbone = kerastl.surgery.copy_model(student)
    backbone = keras.Model(
        backbone.input, backbone.get_layer("out_relu").output, name="backbone"
    )
    nested = keras.Sequential(
        [
            keras.Input((16, 16, 3)),
            backbone,
            layers.GlobalAveragePooling2D(),
            layers.Dense(3, activation="softmax"),
        ]
    )
    nested.layers[-1].set_weights(
        student.get_layer("predictions").get_weights()
    )
    tuner = kerastl.FineTuner(nested, source)
    assert tuner.taps == flat.taps == TAPS
    for each in (flat, tuner):
        _compile(each)
    logs = [
        each.train_on_batch(images, labels, return_dict=True)
        for each in (flat, tuner)
    ]
    assert logs[0] == pytest.approx(logs[1], rel=1e-5)


def test_without_a_source_it_is_plain_training(make_network, images, labels):
    plain = make_network()
    student = kerastl.surgery.copy_model(plain)
    tuner = kerastl.FineTuner(student, batch_norm_momentum=None)
    _compile(tuner, transfer_losses=None)
    plain.compile(
        keras.optimizers.SGD(0.01, momentum=0.9),
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    histories = [
        model.fit(images, labels, shuffle=False, verbose=0, epochs=2).history
        for model in (plain, tuner)
    ]
    for name, values in histories[0].items():
        assert histories[1][name] == pytest.approx(values, rel=1e-5)
    assert tuner.source is None
    assert tuner.taps == []


def test_images_of_any_type(make_network, labels):
    images = np.random.default_rng(0).integers(0, 256, (24, 16, 16, 3))
    tuner = kerastl.FineTuner(*_blurred_pair(make_network))
    _compile(tuner, optimizer=keras.optimizers.SGD(0.0))
    values = [
        tuner.train_on_batch(images.astype(dtype), labels, return_dict=True)[
            "pixel_level"
        ]
        for dtype in ("uint8", "float32")
    ]
    assert values[0] == pytest.approx(values[1], rel=1e-5)


def test_batch_norm_policies(make_network, images, labels):
    source = make_network()
    tuner = kerastl.FineTuner(kerastl.antialias(source), source)
    assert tuner.student.get_layer("stem_bn").momentum == 0.9

    frozen = kerastl.FineTuner(
        kerastl.antialias(source), source, batch_norm="freeze"
    )
    _compile(frozen)
    frozen.fit(images, labels, verbose=0)
    for mine, original in zip(
        frozen.student.get_layer("stem_bn").weights,
        source.get_layer("stem_bn").weights,
        strict=True,
    ):
        np.testing.assert_array_equal(mine.numpy(), original.numpy())

    measured = kerastl.FineTuner(
        kerastl.antialias(source), source, batch_norm="reestimate"
    )
    _compile(measured)
    measured.fit(images, labels, verbose=0, batch_size=8)
    mean = measured.student.get_layer("stem_bn").moving_mean.numpy()
    expected = keras.Model(
        measured.student.input, measured.student.get_layer("stem_conv").output
    ).predict(images, verbose=0)
    np.testing.assert_allclose(mean, expected.mean((0, 1, 2)), atol=1e-5)


def test_losses_by_the_name_of_the_output(make_network, images, labels):
    student = make_network()
    name = student.layers[-1].name
    losses = []
    for loss in ({name: "sparse_categorical_crossentropy"}, None):
        tuner = kerastl.FineTuner(student, student)
        tuner.compile(
            keras.optimizers.SGD(0.0),
            loss or "sparse_categorical_crossentropy",
            transfer_losses=[kerastl.losses.DisturbLabel(0.0)],
            metrics={name: ["accuracy"]} if loss else ["accuracy"],
        )
        losses.append(tuner.evaluate(images, labels, verbose=0))
    np.testing.assert_array_equal(*losses)


@pytest.mark.parametrize("by_position", [True, False])
def test_statistics_are_not_measured_on_what_is_held_back(
    make_network, images, labels, by_position
):
    tuner = kerastl.FineTuner(make_network(), batch_norm="reestimate")
    tuner.compile(keras.optimizers.SGD(0.0), "sparse_categorical_crossentropy")
    held = len(images) // 2
    data = images.copy()
    data[held:] *= 0.1
    if by_position:
        tuner.fit(data, labels, 4, 1, 0, None, 0.5)
    else:
        tuner.fit(data, labels, 4, verbose=0, validation_split=0.5)
    stem = keras.Model(
        tuner.student.input, tuner.student.get_layer("stem_conv").output
    )
    np.testing.assert_allclose(
        tuner.student.get_layer("stem_bn").moving_mean.numpy(),
        stem.predict(data[:held], verbose=0).mean((0, 1, 2)),
        atol=1e-5,
    )


@pytest.mark.parametrize("labelled", [True, False])
def test_transfer_losses_alone_need_no_labels(
    make_network, images, labels, labelled
):
    student, source = _blurred_pair(make_network)
    tuner = kerastl.FineTuner(student, source)
    tuner.compile(
        keras.optimizers.SGD(0.0),
        transfer_losses=[
            kerastl.losses.PixelLevel(2.0),
            kerastl.losses.GlobalLevel(10.0),
        ],
        metrics=["accuracy"] if labelled else None,
    )
    data = (images, labels) if labelled else (images,)
    logs = tuner.fit(*data, batch_size=len(images), verbose=0).history
    terms = 2 * logs["pixel_level"][0] + 10 * logs["global_level"][0]
    assert logs["loss"][0] == pytest.approx(terms, rel=1e-5) and terms > 0
    assert tuner.evaluate(*data, verbose=0, return_dict=True)["loss"] == 0.0
    if labelled:
        right = tuner.predict(images, verbose=0).argmax(-1) == labels
        found = tuner.evaluate(*data, verbose=0, return_dict=True)["accuracy"]
        assert found == pytest.approx(right.mean())


@pytest.mark.tensorflow_only
def test_export_writes_the_student(make_network, images, labels, tmp_path):
    import tensorflow as tf

    student, source = _blurred_pair(make_network)
    tuner = kerastl.FineTuner(student, source, taps=TAPS)
    _compile(tuner)
    tuner.fit(images, labels, verbose=0)
    tuner.export(tmp_path / "saved", verbose=False)
    saved = tf.saved_model.load(str(tmp_path / "saved"))
    np.testing.assert_allclose(
        saved.serve(images), student.predict(images, verbose=0), atol=1e-5
    )
    # None of the source's.
    assert len(saved.variables) == len(student.variables)
