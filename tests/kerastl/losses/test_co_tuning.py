import sys

import keras
import numpy as np
import pytest
from keras import ops

import kerastl
from kerastl.losses import CoTuning
from kerastl.losses import class_relation


def make_terms(source):
    """What test_every_term trains, from a source of 7 classes."""
    return [CoTuning(source, np.full((3, 7), 1 / 7))]


@pytest.fixture
def source(make_network):
    source = make_network(7)
    head = source.get_layer("predictions")
    head.kernel.assign(head.kernel * 5.0)
    return source


def test_value(source, images, labels):
    student = kerastl.replace_head(source, 3)
    relation = np.random.default_rng(0).dirichlet(np.ones(7), 3)
    tuner = kerastl.FineTuner(student, batch_norm="freeze")
    term = CoTuning(source, relation)
    tuner.compile(
        "sgd", "sparse_categorical_crossentropy", transfer_losses=[term]
    )
    probabilities = ops.convert_to_numpy(source(images))
    expected = -(relation[labels] * np.log(probabilities)).sum(-1)
    weights = np.linspace(0, 2, len(labels)).astype("float32")
    logs = tuner.train_on_batch(
        images, labels, sample_weight=weights, return_dict=True
    )
    assert term.weight == 2.3
    np.testing.assert_allclose(
        logs["co_tuning"], (weights * expected).mean(), rtol=1e-4
    )
    before = source.get_layer("predictions").get_weights()[0]
    assert np.abs(term.head.get_weights()[0] - before).max() > 1e-6


@pytest.mark.parametrize("batched", [False, True])
def test_direct_relation(source, images, labels, batched):
    data = (images, labels)
    if batched:
        data = [(images[:10], labels[:10]), (images[10:], labels[10:])]
    relation = class_relation(source, data)
    probabilities = ops.convert_to_numpy(source(images))
    expected = np.stack([probabilities[labels == c].mean(0) for c in range(3)])
    np.testing.assert_allclose(relation, expected, atol=1e-5)
    np.testing.assert_allclose(relation.sum(axis=1), 1, atol=1e-6)


def test_learned_relation():
    """Labels that follow the source's own classes are traced back to them."""
    inputs = keras.Input((4, 4, 3))
    pooled = keras.layers.GlobalAveragePooling2D()(inputs)
    head = keras.layers.Dense(7, activation="softmax")
    source = keras.Model(inputs, head(pooled))
    # Bright red is class 5, dark red class 2; all others are unlikely.
    kernel, bias = np.zeros((3, 7)), np.full(7, -5.0)
    kernel[0, 5], bias[5], kernel[0, 2], bias[2] = 0.2, -20, -0.2, 20
    head.set_weights([kernel, bias])
    red = np.random.default_rng(1).uniform(0, 200, 300)
    images = np.zeros((300, 4, 4, 3), "float32")
    images[..., 0] = red[:, None, None]
    labels = (red > 100).astype(int)
    data = (images[::2], labels[::2]), (images[1::2], labels[1::2])
    relation = class_relation(
        source, data[0], kind="learned", validation=data[1]
    )
    np.testing.assert_allclose(relation.sum(axis=1), 1, atol=1e-6)
    assert relation[1].argmax() == 5 and relation[0].argmax() == 2
    assert relation[0, 5] < 0.2 < relation[1, 5]


def learned_by_hand(train, labels, held_out, held_out_labels):
    """As the authors' code goes about it; probabilities of the source."""
    import scipy.optimize
    import sklearn.linear_model

    strengths = [
        float(f"{factor}e{power}")
        for power in range(3, -5, -1)
        for factor in (3, 1)
    ]
    strengths = [1e4, *strengths]
    assert len(strengths) == 17 and strengths[-2:] == [3e-4, 1e-4]
    models, accuracies = [], []
    for strength in strengths:
        model = sklearn.linear_model.LogisticRegression(
            C=strength, fit_intercept=False, max_iter=1000
        ).fit(train, labels)
        models.append(model)
        predicted = (held_out @ model.coef_.T).argmax(-1)
        accuracies.append((predicted == held_out_labels).mean())
    first = int(np.argmax(accuracies))
    coefficients = models[first].coef_
    logits = held_out @ coefficients.T

    def loss(scale):
        scaled = scale * logits
        total = np.log(np.exp(scaled).sum(-1))
        chosen = scaled[np.arange(len(logits)), held_out_labels]
        return (total - chosen).mean()

    scale = scipy.optimize.minimize_scalar(loss, bounds=(1e-3, 50)).x
    raised = np.exp(scale * coefficients.T)
    given = raised / raised.sum(-1, keepdims=True)
    marginal = np.concatenate([train, held_out]).mean(0)
    joint = (given * marginal[:, None]).T
    return joint / joint.sum(-1, keepdims=True), first, accuracies


@pytest.mark.parametrize("calibration", [1.0, 0.5])
def test_learned_relation_against_the_published_steps(calibration):
    pytest.importorskip("sklearn")
    generator = np.random.default_rng(6)
    inputs = keras.Input((4, 4, 3))
    pooled = keras.layers.GlobalAveragePooling2D()(inputs)
    head = keras.layers.Dense(7, activation="softmax")
    source = keras.Model(inputs, head(pooled))
    kernel, bias = generator.normal(size=(3, 7)), generator.normal(size=7)
    head.set_weights([kernel, bias])
    values = generator.normal(size=(90, 3))
    labels = (values + generator.normal(size=(90, 3)) * 0.7).argmax(-1)
    images = np.tile(values[:, None, None], (1, 4, 4, 1)).astype("float32")
    logits = calibration * (values @ kernel + bias)
    p = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    expected, first, accuracies = learned_by_hand(
        p[:50], labels[:50], p[50:], labels[50:]
    )
    # The choice matters: neither the first nor the last of them.
    assert 0 < first and max(accuracies) > accuracies[0]
    relation = class_relation(
        source,
        (images[:50], labels[:50]),
        kind="learned",
        validation=(images[50:], labels[50:]),
        calibration=calibration,
    )
    np.testing.assert_allclose(relation, expected, atol=2e-4)
    direct = class_relation(source, (images, labels), calibration=calibration)
    means = np.stack([p[labels == c].mean(0) for c in range(3)])
    np.testing.assert_allclose(direct, means, atol=1e-5)


def test_one_hot_labels_are_read(source, images, labels):
    relation = class_relation(source, (images, np.eye(3)[labels]))
    np.testing.assert_allclose(
        relation, class_relation(source, (images, labels)), atol=1e-6
    )


def test_a_student_of_other_features_is_refused(source):
    student = keras.Sequential(
        [
            keras.Input((16, 16, 3)),
            keras.layers.Conv2D(5, 3),
            keras.layers.GlobalAveragePooling2D(name="gap"),
            keras.layers.Dense(3, activation="softmax"),
        ]
    )
    term = CoTuning(source, np.full((3, 7), 1 / 7))
    with pytest.raises(ValueError, match="5 features at 'gap', .* of 12"):
        kerastl.FineTuner(student).compile(
            "sgd", "sparse_categorical_crossentropy", transfer_losses=[term]
        )


def test_the_learned_relation_says_what_it_lacks(
    source, images, labels, monkeypatch
):
    monkeypatch.setitem(sys.modules, "sklearn.linear_model", None)
    data = (images, labels)
    with pytest.raises(ImportError, match="pip install scikit-learn"):
        class_relation(source, data, kind="learned", validation=data)


def test_errors(source, images, labels):
    with pytest.raises(ValueError, match="mean 'learned'"):
        class_relation(source, (images, labels), kind="learnt")
    with pytest.raises(ValueError, match="validation=None"):
        class_relation(source, (images, labels), kind="learned")
    with pytest.raises(ValueError, match="validation with the label 3"):
        class_relation(
            source,
            (images, labels),
            kind="learned",
            validation=(images, labels + 1),
        )
    with pytest.raises(ValueError, match=r"counts=\[0, "):
        class_relation(source, (images, labels + 1))
    with pytest.raises(ValueError, match="relation=None"):
        CoTuning(source)
    with pytest.raises(ValueError, match="sum to 1"):
        CoTuning(source, np.ones((3, 7)))
    with pytest.raises(ValueError, match=r"each of the 7 .*\(3, 5\)"):
        CoTuning(source, np.full((3, 5), 0.2))
    tuner = kerastl.FineTuner(kerastl.replace_head(source, 4))
    with pytest.raises(ValueError, match="of 3 rows, student of 4 classes"):
        tuner.compile(
            "sgd", transfer_losses=[CoTuning(source, np.full((3, 7), 1 / 7))]
        )
