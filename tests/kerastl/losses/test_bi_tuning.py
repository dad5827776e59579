import keras
import numpy as np
import pytest
from keras import ops

import kerastl
from kerastl.losses import BiTuning
from kerastl.losses.bi_tuning import _ClassQueue

# Replicas keep the examples of the first one.
DIFFERS_IN = {"replicas"}


def make_terms(source):
    """What test_every_term trains, from a source of 7 classes."""
    term = BiTuning(0.1, queue=3, momentum=0.9, shift=0, flip=False)
    return [term]


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


def stored(queues, labels):
    """The examples in the queues, and which are of each label's class."""
    pairs = [(i, c) for c in queues for i in queues[c]]
    own = [[float(c == label) for _, c in pairs] for label in labels]
    return [i for i, _ in pairs], own


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
        keys, own = stored(queues, labels[part])
        expected = contrast(z[part], z[part], z[keys], own, 0.2)
        # The classifier's term sees the batch in the queues.
        for i in part:
            queues[labels[i]] = (queues[labels[i]] + [i])[-3:]
        keys, own = stored(queues, labels[part])
        expected += contrast(
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
    assert all(queues.values())


def test_full_queues_as_the_authors_start(make_network, images, labels):
    """Random unit vectors; every example has K positives in the queues."""
    student = make_network()
    term = BiTuning(queue=4, projection=5, shift=0, flip=False)
    tuner = compiled(student, term)
    generator = np.random.default_rng(0)
    full_z = normalize(generator.normal(size=(3, 4, 5)))
    full_h = normalize(generator.normal(size=(3, 4, 13)))
    term.queues.rows.assign(
        np.concatenate([full_z, full_h], -1).reshape(12, 18)
    )
    term.queues.filled.assign(np.ones(12))
    features = kerastl.surgery.feature_extractor(student, ["pool"])
    h = ops.convert_to_numpy(features(images)["pool"]).astype("float64")
    kernel, bias = term.projector.get_weights()
    z, extended = normalize(h @ kernel + bias), extend(h)
    weights, offset = student.get_layer("predictions").get_weights()
    prototypes = normalize(np.concatenate([weights.T, offset[:, None]], -1))
    pointer = [0, 0, 0]
    for start in (0, 4, 8, 12, 16):
        part = np.arange(start, start + 4)
        own = np.repeat(np.eye(3)[labels[part]], 4, axis=1)
        expected = contrast(z[part], z[part], full_z.reshape(12, 5), own, 0.07)
        for i in part:
            label = labels[i]
            full_z[label, pointer[label]] = z[i]
            full_h[label, pointer[label]] = extended[i]
            pointer[label] = (pointer[label] + 1) % 4
        expected += contrast(
            prototypes[labels[part]],
            extended[part],
            full_h.reshape(12, 13),
            own,
            0.07,
        )
        logs = tuner.train_on_batch(
            images[part], labels[part], return_dict=True
        )
        tuner.reset_metrics()
        np.testing.assert_allclose(logs["bi_tuning"], expected, rtol=2e-3)


def test_prototypes_and_keys_have_no_gradient(make_network, images, labels):
    moved = []
    start = make_network().get_weights()
    for momentum in (1.0, 0.0):
        student = make_network()
        student.set_weights(start)
        term = BiTuning(
            momentum=momentum, temperature=0.5, shift=0, flip=False, seed=1
        )
        tuner = kerastl.FineTuner(student, batch_norm="freeze")
        # Nothing but the term moves what trains.
        tuner.compile(keras.optimizers.SGD(0.1), transfer_losses=[term])
        head = student.get_layer("predictions").get_weights()
        stem = student.get_layer("stem_conv").get_weights()[0]
        tuner.train_on_batch(images, labels)
        for old, new in zip(
            head, student.get_layer("predictions").get_weights(), strict=True
        ):
            np.testing.assert_array_equal(old, new)
        step = student.get_layer("stem_conv").get_weights()[0] - stem
        assert np.abs(step).max() > 1e-5
        moved.append([step, term.projector.get_weights()[0]])
    # The keys are the same, and whether they follow the student or not, they
    # are constants of the step.
    for one, other in zip(*moved, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


def test_sample_weights(make_network, images, labels):
    def value(weights):
        term = BiTuning(shift=0, flip=False, seed=1)
        keras.utils.set_random_seed(1)
        tuner = compiled(make_network(), term)
        tuner.run_eagerly = True
        logs = tuner.train_on_batch(
            images[:2], labels[:2], sample_weight=weights, return_dict=True
        )
        return float(logs["bi_tuning"])

    one, other = (value(np.eye(2, dtype="float32")[i]) for i in (0, 1))
    both = value(np.array([1.0, 3.0], "float32"))
    assert both == pytest.approx(one + 3 * other, rel=1e-4)


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

    # Of a layer that is not built Keras does not know how to evaluate.
    assert all(layer.built for layer in term.layers)
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
    for loss in ("mse", "binary_crossentropy"):
        single = make_network(1)
        head = single.get_layer("predictions")
        head.activation = keras.activations.get(
            "linear" if loss == "mse" else "sigmoid"
        )
        with pytest.raises(ValueError, match="predicts numbers|1 output"):
            kerastl.FineTuner(single).compile(
                "sgd", loss, transfer_losses=[BiTuning()]
            )


def push(queue, values, labels):
    rows = np.array(values, "float32")[:, None] * np.ones(2, "float32")
    queue.push(ops.convert_to_tensor(rows), np.eye(3, dtype="float32")[labels])


def values_of(queue):
    """The values of every class, sorted."""
    rows, filled, own = (
        ops.convert_to_numpy(part)
        for part in queue.read(np.eye(3, dtype="float32"))
    )
    assert ((own > 0) <= (filled > 0)).all()
    return [sorted(rows[mask > 0, 0].tolist()) for mask in own]


def test_every_class_is_a_queue_of_its_own():
    queue = _ClassQueue(3, 2, 2, "queue")
    push(queue, [1, 2, 3], [0, 2, 0])
    assert values_of(queue) == [[1, 3], [], [2]]
    push(queue, [4, 5], [0, 1])
    assert values_of(queue) == [[3, 4], [5], [2]]
    # More than fit: the last stay.
    push(queue, [6, 7, 8, 9], [2, 2, 2, 0])
    assert values_of(queue) == [[4, 9], [5], [7, 8]]
    push(queue, [10], [2])
    assert values_of(queue) == [[4, 9], [5], [8, 10]]
