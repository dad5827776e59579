"""Confidences are read in the network, whatever its loss is."""

import functools

import keras
import numpy as np
import pytest
from keras import ops

import kerastl
from kerastl import losses
from kerastl.callbacks import LURE
from kerastl.surgery.class_outputs import class_outputs
from kerastl.surgery.class_outputs import class_probabilities
from kerastl.training.gradients import LossProbe


def from_logits(y_true, y_pred):
    return keras.losses.sparse_categorical_crossentropy(
        y_true, y_pred, from_logits=True
    )


@keras.saving.register_keras_serializable(package="tests")
class Own(keras.losses.Loss):
    def call(self, y_true, y_pred):
        return from_logits(y_true, y_pred)


# Losses of logits that do not say so, and one of probabilities.
LOSSES = {
    "function": from_logits,
    "lambda": lambda y, p: from_logits(y, p),
    "partial": functools.partial(
        keras.losses.sparse_categorical_crossentropy, from_logits=True
    ),
    "object": Own(),
    "keras": keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    "list": [keras.losses.SparseCategoricalCrossentropy(from_logits=True)],
    "string": "sparse_categorical_crossentropy",
}


def as_logits(network, linear=True):
    """The same network without its softmax; the logits are large."""
    head = network.get_layer("predictions")
    head.kernel.assign(head.kernel * 12.0)
    if linear:
        head.activation = keras.activations.linear
    return network


def softmax(logits):
    raised = np.exp(logits - logits.max(-1, keepdims=True))
    return raised / raised.sum(-1, keepdims=True)


@pytest.mark.parametrize("loss", LOSSES)
def test_statistics_whatever_the_loss(make_network, images, labels, loss):
    student = as_logits(make_network())
    logits = ops.convert_to_numpy(student(images))
    assert np.abs(logits).max() > 1.5
    tuner = kerastl.FineTuner(student, batch_norm="freeze")
    term = losses.SampleStatistics(24)
    tuner.compile(
        keras.optimizers.SGD(0.0),
        LOSSES[loss],
        transfer_losses=[term],
        run_eagerly=True,
    )
    tuner.train_on_batch({"images": images, "index": np.arange(24)}, labels)
    known = term.result()
    found = softmax(logits)
    np.testing.assert_allclose(known.confidence, found.max(-1), rtol=1e-4)
    np.testing.assert_allclose(
        known.loss, -np.log(found[np.arange(24), labels]), rtol=1e-3
    )
    # The same of those that a callback predicts.
    term.record(np.arange(24), logits[::-1], labels)
    np.testing.assert_allclose(
        term.result().confidence, found[::-1].max(-1), rtol=1e-4
    )


def test_softmax_stays_though_the_loss_says_logits(
    make_network, images, labels
):
    student = as_logits(make_network(), linear=False)
    found = ops.convert_to_numpy(student(images))
    tuner = kerastl.FineTuner(student, batch_norm="freeze")
    term = losses.SampleStatistics(24)
    tuner.compile(
        keras.optimizers.SGD(0.0),
        LOSSES["function"],
        transfer_losses=[term],
        run_eagerly=True,
    )
    tuner.train_on_batch({"images": images, "index": np.arange(24)}, labels)
    np.testing.assert_allclose(
        term.result().confidence, found.max(-1), rtol=1e-4
    )


def test_one_sigmoid_output_is_two_classes(make_network, images, labels):
    labels = labels % 2
    for activation in ("sigmoid", "linear"):
        student = as_logits(make_network(1), linear=False)
        student.get_layer("predictions").activation = keras.activations.get(
            activation
        )
        outputs = ops.convert_to_numpy(student(images))[:, 0]
        if activation == "linear":
            outputs = 1 / (1 + np.exp(-outputs))
        found = np.stack([1 - outputs, outputs], -1)
        tuner = kerastl.FineTuner(student, batch_norm="freeze")
        statistics = losses.SampleStatistics(24)
        arc = losses.ARC(threshold=1.0, warmup_steps=0)
        tuner.compile(
            keras.optimizers.SGD(0.0),
            keras.losses.BinaryCrossentropy(from_logits=activation == "linear"),
            transfer_losses=[statistics, arc],
            run_eagerly=True,
        )
        inputs = {"images": images, "index": np.arange(24)}
        logs = tuner.train_on_batch(
            {**inputs, "unlabelled": images[::-1][:12]},
            labels[:, None],
            return_dict=True,
        )
        known = statistics.result()
        np.testing.assert_allclose(known.confidence, found.max(-1), rtol=1e-4)
        np.testing.assert_allclose(
            known.loss, -np.log(found[np.arange(24), labels]), rtol=1e-3
        )
        np.testing.assert_array_equal(known.correct, found.argmax(-1) == labels)
        # All are surer than not at all.
        assert float(logs["arc"]) > 1e-5


def test_logits_of_a_function_are_read_by_arc_and_tcr(
    make_network, images, labels
):
    """As those of a loss that says so."""
    inputs = {
        "images": images[:12],
        "unlabelled": images[12:],
        "index": np.arange(12),
    }
    found = []
    for name in ("function", "keras", "probabilities"):
        student = as_logits(make_network(), linear=name != "probabilities")
        keras.utils.set_random_seed(2)
        for variable in student.trainable_variables:
            variable.assign(keras.random.normal(variable.shape, stddev=0.5))
        tuner = kerastl.FineTuner(student, batch_norm="freeze")
        tcr = losses.TCR(12)
        function = name == "function"
        p = ops.convert_to_numpy(student(images)).astype("float64")
        p = p if name == "probabilities" else softmax(p)
        entropy = -(p * np.log(p)).sum(-1) / np.log(3)
        # Half of them are sure, on either side.
        assert 0 < (entropy[:12] < np.median(entropy)).sum() < 12
        threshold = float(np.median(entropy))
        terms = [losses.ARC(threshold=threshold, queue=6, warmup_steps=0)]
        tuner.compile(
            keras.optimizers.SGD(0.0),
            LOSSES.get(name, "sparse_categorical_crossentropy"),
            # The labels of a function's loss cannot be changed.
            transfer_losses=terms + [tcr] * (not function),
            run_eagerly=True,
        )
        logs = tuner.train_on_batch(inputs, labels[:12], return_dict=True)
        found.append(float(logs["arc"]))
        if not function:
            np.testing.assert_allclose(
                tcr.stores[0].to_numpy(),
                class_probabilities(
                    student(images[:12]), class_outputs(student)
                ),
                rtol=1e-4,
            )
    assert found[0] > 0
    np.testing.assert_allclose(found, found[0], rtol=1e-4)


def saliency(student, loss, images, labels):
    student.compile("sgd", loss)
    lure = LURE((images, labels))
    lure.set_model(student)
    return [values for _, values in lure.saliency()]


def test_saliency_whatever_the_loss(make_network, images, labels):
    keras.utils.set_random_seed(1)
    weights = make_network().get_weights()
    found = []
    for name in ("probabilities", "function"):
        student = make_network()
        student.set_weights(weights)
        as_logits(student, linear=name != "probabilities")
        loss = LOSSES.get(name, LOSSES["string"])
        found.append(saliency(student, loss, images, labels))
    for other in found[1:]:
        for one, two in zip(found[0], other, strict=True):
            np.testing.assert_allclose(one, two, rtol=2e-3, atol=1e-6)


@pytest.mark.parametrize("kind", ["sigmoid", "logits"])
def test_the_probe_of_one_output(kind):
    keras.utils.set_random_seed(0)
    activation = "sigmoid" if kind == "sigmoid" else None
    network = keras.Sequential(
        [keras.Input((3,)), keras.layers.Dense(1, activation=activation)]
    )
    x = np.random.default_rng(0).normal(size=(5, 3)).astype("float32")
    y, weight = np.array([0, 1, 1, 0, 1]), np.arange(5, dtype="float32")
    p = ops.convert_to_numpy(network(x))[:, 0].astype("float64")
    p = 1 / (1 + np.exp(-p)) if kind == "logits" else p
    probe = LossProbe(network, class_outputs(network))
    loss = probe.compute_loss(None, y, probe(x), weight)
    expected = -(weight * np.log(np.where(y == 1, p, 1 - p))).sum()
    np.testing.assert_allclose(loss, expected, rtol=1e-4)


def attacked(model, images, labels):
    return ops.convert_to_numpy(
        kerastl.adversarial_images(
            model, images, labels, steps=2, random_start=False
        )
    )


def test_logits_are_attacked_as_their_softmax(make_network, images, labels):
    student = as_logits(make_network(), linear=False)
    expected = attacked(student, images, labels)
    logits = make_network()
    logits.set_weights(student.get_weights())
    logits.get_layer("predictions").activation = keras.activations.linear
    found = attacked(logits, images, labels)
    assert np.abs(expected - images).max() > 3
    # Signs of gradients near 0 may differ.
    assert (np.abs(found - expected) < 1e-3).mean() > 0.99
    # One sigmoid is a softmax over it and 0.
    one = make_network(1)
    for layer in student.layers[:-1]:
        one.get_layer(layer.name).set_weights(layer.get_weights())
    head = one.get_layer("predictions")
    head.activation = keras.activations.sigmoid
    two = make_network(2)
    for layer in one.layers[:-1]:
        two.get_layer(layer.name).set_weights(layer.get_weights())
    kernel, bias = head.get_weights()
    two.get_layer("predictions").set_weights(
        [np.concatenate([0 * kernel, kernel], 1), np.array([0, bias[0]])]
    )
    pair = [attacked(each, images, labels % 2) for each in (one, two)]
    assert (np.abs(pair[0] - pair[1]) < 1e-3).mean() > 0.99


@keras.saving.register_keras_serializable(package="tests")
class Squared(keras.layers.Layer):
    def call(self, inputs):
        return ops.square(inputs)


def with_end(network, layer):
    return keras.Model(network.inputs, layer(network.outputs[0]))


READERS = {
    "arc": lambda: losses.ARC(),
    "statistics": lambda: losses.SampleStatistics(24),
    "adversarial": lambda: losses.Adversarial(steps=1),
    "bi_tuning": lambda: losses.BiTuning(),
    "co_tuning": lambda: losses.CoTuning(
        relation=np.full((3, 2), 0.5), head_shape=(12, 2)
    ),
}


@pytest.mark.parametrize("name", READERS)
def test_numbers_are_no_classes(make_network, name):
    for loss in ("mse", keras.losses.Huber(), keras.losses.mean_absolute_error):
        student = as_logits(make_network(3))
        with pytest.raises(ValueError, match="predicts numbers"):
            kerastl.FineTuner(student).compile(
                "sgd", loss, transfer_losses=[READERS[name]()]
            )
    # The Brier score is a loss of classes.
    kerastl.FineTuner(make_network(3)).compile(
        "sgd", "mse", transfer_losses=[READERS[name]()]
    )


@pytest.mark.parametrize("name", ["arc", "statistics", "adversarial"])
def test_what_cannot_be_told_is_refused(make_network, name):
    unclear = with_end(make_network(), Squared())
    with pytest.raises(ValueError, match="probabilities or logits"):
        kerastl.FineTuner(unclear).compile(
            "sgd", from_logits, transfer_losses=[READERS[name]()]
        )
    several = make_network()
    several.get_layer("predictions").activation = keras.activations.sigmoid
    with pytest.raises(ValueError, match="3 outputs and a sigmoid"):
        kerastl.FineTuner(several).compile(
            "sgd", "binary_crossentropy", transfer_losses=[READERS[name]()]
        )
    with pytest.raises(ValueError, match="1 outputs and a softmax"):
        kerastl.FineTuner(make_network(1)).compile(
            "sgd", from_logits, transfer_losses=[READERS[name]()]
        )


@pytest.mark.parametrize(
    "loss, expected",
    [
        ("sparse_categorical_crossentropy", "probabilities"),
        (keras.losses.CategoricalCrossentropy(from_logits=True), "logits"),
        (keras.losses.categorical_crossentropy, "probabilities"),
        ({"squared": "categorical_crossentropy"}, "probabilities"),
    ],
)
def test_the_loss_is_asked_last(make_network, loss, expected):
    network = make_network()
    assert class_outputs(with_end(network, Squared()), loss) == expected
    assert class_outputs(network, loss) == "probabilities"
    assert class_outputs(as_logits(network), loss) == "logits"


@pytest.mark.parametrize("kind", ["sigmoid", "logits"])
def test_a_source_of_one_output_or_sigmoids_is_refused(make_network, kind):
    one, several = make_network(1), make_network(4)
    activation = "sigmoid" if kind == "sigmoid" else "linear"
    for network in (one, several):
        network.get_layer("predictions").activation = keras.activations.linear
    operation = keras.layers.Activation(activation)
    refused = [with_end(one, operation)]
    if kind == "sigmoid":
        refused.append(with_end(several, keras.layers.Activation("sigmoid")))
        refused.append(
            keras.Model(several.inputs, ops.sigmoid(several.outputs[0]))
        )
    for source in refused:
        for make in (losses.AKC, losses.LwF, losses.LogitsDistillation):
            with pytest.raises(
                ValueError, match="sigmoid or in one output|no classifier"
            ):
                make(source)


@pytest.mark.parametrize("activation", [None, "relu", "softmax"])
def test_maps_are_no_classes(activation):
    inputs = keras.Input((8, 8, 3))
    maps = keras.layers.Conv2D(5, 3, activation=activation)(inputs)
    model = keras.Model(inputs, maps, name="headless")
    images = np.zeros((2, 8, 8, 3), "float32")
    labels = np.array([0, 1])
    for use in (
        class_outputs,
        lambda model: kerastl.estimate_fisher(model, images),
        lambda model: kerastl.metrics.fit_temperature(model, (images, labels)),
        lambda model: kerastl.training.adversarial_images(
            model, images, labels, epsilon=1.0
        ),
    ):
        with pytest.raises(ValueError, match="one number a class.*'headless'"):
            use(model)
    pooled = keras.layers.GlobalAveragePooling2D()(maps)
    if activation == "softmax":
        pooled = keras.layers.Softmax()(pooled)
        assert class_outputs(keras.Model(inputs, pooled)) == "probabilities"
