import keras
import numpy as np
import pytest
from keras import ops

import kerastl
from kerastl.losses import BiTuning


def normalize(rows):
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def extend(rows):
    return normalize(np.concatenate([rows, np.ones((len(rows), 1))], -1))


def contrast(query, current, keys, own, temperature):
    """The mean of KL(even target || softmax), example by example."""
    values = []
    for q, c, mine in zip(query, current, own, strict=True):
        logits = np.array([q @ c, *(q @ k for k in keys)]) / temperature
        given = logits - np.log(np.exp(logits).sum())
        target = np.array([1.0, *mine]) / (1 + sum(mine))
        on = target > 0
        values.append((target[on] * (np.log(target[on]) - given[on])).sum())
    return np.mean(values)


def compiled(student, term, rate=0.0):
    tuner = kerastl.FineTuner(student, batch_norm="freeze")
    tuner.compile(
        keras.optimizers.SGD(rate),
        "sparse_categorical_crossentropy",
        transfer_losses=[term],
    )
    return tuner


def test_value_over_three_steps(make_network, images, labels):
    student = make_network()
    head = student.get_layer("predictions")
    head.bias.assign([0.1, -0.2, 0.3])
    term = BiTuning(queue=3, temperature=0.2, projection=5, shift=0, flip=False)
    tuner = compiled(student, term)
    features = kerastl.surgery.feature_extractor(student, ["pool"])
    h = ops.convert_to_numpy(features(images)["pool"]).astype("float64")
    kernel, bias = term.projector.get_weights()
    z, extended = normalize(h @ kernel + bias), extend(h)
    weights, offset = head.get_weights()
    prototypes = normalize(np.concatenate([weights.T, offset[:, None]], -1))
    queues = {0: [], 1: [], 2: []}
    for start in (0, 8, 16):
        part = np.arange(start, start + 8)
        stored = [(i, c) for c in queues for i in queues[c]]
        keys = [i for i, _ in stored]
        own = [[float(c == labels[i]) for _, c in stored] for i in part]
        expected = contrast(z[part], z[part], z[keys], own, 0.2) + contrast(
            prototypes[labels[part]],
            extended[part],
            extended[keys],
            own,
            0.2,
        )
        logs = tuner.train_on_batch(
            images[part], labels[part], return_dict=True
        )
        tuner.reset_metrics()
        np.testing.assert_allclose(
            logs["bi_tuning"], expected, rtol=2e-3, atol=1e-5
        )
        for i in part:
            queues[labels[i]] = (queues[labels[i]] + [i])[-3:]
    assert all(queues.values())


def test_the_key_encoder_follows(make_network, images, labels):
    student = make_network()
    term = BiTuning(momentum=0.75)
    tuner = compiled(student, term, rate=0.1)

    def weights():
        layers = [*student.layers[:-1], term.projector]
        return [
            ops.convert_to_numpy(v)
            for layer in layers
            for v in layer.trainable_variables
        ]

    def keys():
        return [
            ops.convert_to_numpy(v)
            for v in term.key.weights
            if v.dtype == "float32"
        ]

    expected = weights()
    for key, start in zip(keys(), expected, strict=True):
        np.testing.assert_array_equal(key, start)
    for _ in range(3):
        # It moves toward the student before it is asked.
        expected = [
            0.75 * key + 0.25 * own
            for key, own in zip(expected, weights(), strict=True)
        ]
        tuner.train_on_batch(images, labels)
        for key, value in zip(keys(), expected, strict=True):
            np.testing.assert_allclose(key, value, atol=1e-5)
    assert np.abs(weights()[0] - keys()[0]).max() > 1e-4


def test_the_student_is_left_alone(make_network, images, labels):
    """Statistics of BatchNormalization move once a step, not twice."""
    moved = []
    for terms in ([], [BiTuning(seed=1)]):
        keras.utils.set_random_seed(4)
        tuner = kerastl.FineTuner(make_network(dropout=0.3))
        tuner.compile(
            keras.optimizers.SGD(0.0),
            "sparse_categorical_crossentropy",
            transfer_losses=terms,
        )
        tuner.train_on_batch(images, labels)
        moved.append([ops.convert_to_numpy(v) for v in tuner.student.variables])
    for a, b in zip(*moved, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_it_trains(make_network, images, labels):
    """Against fixed keys of one batch, the term falls."""
    term = BiTuning(10.0, 1, momentum=1.0, shift=0, flip=False, seed=0)
    tuner = compiled(make_network(), term, rate=0.001)
    before = ops.convert_to_numpy(term.projector.kernel)
    values = []
    for _ in range(15):
        logs = tuner.train_on_batch(images, labels, return_dict=True)
        tuner.reset_metrics()
        values.append(float(logs["bi_tuning"]))
    # The first step finds the queues empty.
    assert values[-1] < values[1] - 0.01
    after = ops.convert_to_numpy(term.projector.kernel)
    assert np.abs(after - before).max() > 1e-4


def test_errors(make_network):
    with pytest.raises(ValueError, match="queue=0"):
        BiTuning(queue=0)
    network = make_network()
    headless = keras.Model(network.inputs, network.get_layer("pool").output)
    with pytest.raises(ValueError, match="replace_head"):
        kerastl.FineTuner(headless).compile("sgd", transfer_losses=[BiTuning()])
