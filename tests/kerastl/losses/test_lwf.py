"""Learning without forgetting and logits distillation, by hand."""

import keras
import numpy as np
import pytest
from keras import ops

import kerastl
from kerastl.losses import LogitsDistillation
from kerastl.losses import LwF


def make_terms(source):
    """What test_every_term trains, from a source of 7 classes."""
    return [LwF(source), LogitsDistillation(source)]


def log_softmax(logits):
    logits = logits - logits.max(axis=-1, keepdims=True)
    return logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))


def embedding(model, images, training):
    model = kerastl.surgery.copy_model(model)
    features = kerastl.surgery.feature_extractor(model, ["pool"])
    return ops.convert_to_numpy(features(images, training=training)["pool"])


@pytest.fixture
def pair(make_network):
    """A source of 7 classes and a student of 3 that differs from it."""
    source = make_network(7)
    source.get_layer("predictions").bias.assign(np.linspace(-1, 1, 7))
    student = kerastl.replace_head(source, 3)
    kernel = student.get_layer("block2_conv").kernel
    kernel.assign(kernel * 3.0)
    return student, source


def first_value(term, pair, images, labels, **kwargs):
    student, source = pair
    tuner = kerastl.FineTuner(student, source)
    tuner.compile(
        "sgd", "sparse_categorical_crossentropy", transfer_losses=[term]
    )
    logs = tuner.train_on_batch(images, labels, return_dict=True, **kwargs)
    return float(logs[term.name])


def logits(pair, images):
    student, source = pair
    kernel, bias = source.get_layer("predictions").get_weights()
    of_source = embedding(source, images, False) @ kernel + bias
    return of_source, embedding(student, images, True) @ kernel + bias


@pytest.mark.parametrize("temperature", [1.0, 2.0])
def test_lwf_value(pair, images, labels, temperature):
    recorded, given = logits(pair, images)
    target = np.exp(log_softmax(recorded / temperature))
    values = -(target * log_softmax(given / temperature)).sum(-1)
    found = first_value(
        LwF(pair[1], temperature=temperature), pair, images, labels
    )
    np.testing.assert_allclose(found, values.mean(), rtol=1e-4)


def test_distillation_value(pair, images, labels):
    recorded, given = (log_softmax(each / 3.0) for each in logits(pair, images))
    values = 9 * (np.exp(recorded) * (recorded - given)).sum(-1)
    found = first_value(LogitsDistillation(pair[1]), pair, images, labels)
    np.testing.assert_allclose(found, values.mean(), rtol=1e-4)
    assert found > 1e-3


def test_sample_weights_count(pair, images, labels):
    recorded, given = (log_softmax(each / 3.0) for each in logits(pair, images))
    values = 9 * (np.exp(recorded) * (recorded - given)).sum(-1)
    weights = np.linspace(0, 2, len(images)).astype("float32")
    found = first_value(
        LogitsDistillation(pair[1]), pair, images, labels, sample_weight=weights
    )
    np.testing.assert_allclose(found, (weights * values).mean(), rtol=1e-4)


def test_nothing_is_lost_at_the_start(make_network, images, labels):
    source = make_network(7)
    student = kerastl.replace_head(source, 3)
    tuner = kerastl.FineTuner(student, source, batch_norm="freeze")
    tuner.compile(
        keras.optimizers.SGD(0.0),
        "sparse_categorical_crossentropy",
        transfer_losses=[LwF(source), LogitsDistillation(source)],
    )
    logs = tuner.train_on_batch(images, labels, return_dict=True)
    probabilities = ops.convert_to_numpy(source(images))
    root = probabilities**0.5
    halved = root / root.sum(-1, keepdims=True)
    entropy = -(halved * np.log(halved)).sum(-1).mean()
    np.testing.assert_allclose(logs["lwf"], entropy, rtol=1e-4)
    np.testing.assert_allclose(logs["logits_distillation"], 0.0, atol=1e-6)


@pytest.mark.parametrize(
    "term, trains", [(LwF, True), (LogitsDistillation, False)]
)
def test_who_trains(pair, images, labels, term, trains):
    student, source = pair
    before = source.get_layer("predictions").get_weights()
    term = term(source, weight=5.0)
    first_value(term, pair, images, labels)
    moved = np.abs(term.head.get_weights()[0] - before[0]).max() > 1e-6
    assert moved == trains
    np.testing.assert_array_equal(term.teacher.get_weights()[0], before[0])
    np.testing.assert_array_equal(
        source.get_layer("predictions").get_weights()[0], before[0]
    )


def test_a_convolution_as_head(make_network, images, labels):
    source = make_network(7)
    kernel, bias = source.get_layer("predictions").get_weights()
    backbone = keras.Model(source.inputs, source.get_layer("out_relu").output)
    x = keras.layers.GlobalAveragePooling2D(keepdims=True, name="mean")(
        backbone.output
    )
    x = keras.layers.Conv2D(7, 1, name="conv_head")(x)
    x = keras.layers.Reshape((7,))(x)
    convolved = keras.Model(source.inputs, keras.layers.Softmax()(x))
    convolved.get_layer("conv_head").set_weights([kernel[None, None], bias])
    values = [
        first_value(
            LwF(model), (kerastl.replace_head(model, 3), model), images, labels
        )
        for model in (source, convolved)
    ]
    np.testing.assert_allclose(*values, rtol=1e-4)


def test_no_head(make_network):
    source = make_network(7)
    headless = keras.Model(source.inputs, source.get_layer("out_relu").output)
    with pytest.raises(ValueError, match="no classifier.*include_top=True"):
        LwF(headless)
    with pytest.raises(ValueError, match="source=None"):
        LwF()
    x = keras.layers.Dense(4, activation="sigmoid")(
        source.get_layer("pool").output
    )
    with pytest.raises(ValueError, match="sigmoid"):
        LwF(keras.Model(source.inputs, x))
    with pytest.raises(ValueError, match="temperature=0"):
        LwF(source, temperature=0)


def test_a_head_of_another_width(make_network):
    source = make_network(7)
    inputs = keras.Input((9,))
    features = keras.layers.Dense(4, activation="relu")(inputs)
    other = keras.Model(
        inputs, keras.layers.Dense(7, activation="softmax")(features)
    )
    tuner = kerastl.FineTuner(make_network(), source)
    with pytest.raises(ValueError, match="12 features.*of 4 features"):
        tuner.compile("sgd", transfer_losses=[LwF(other)])
