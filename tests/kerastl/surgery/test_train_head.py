import keras
import numpy as np
import pytest

import kerastl


def test_learns_on_frozen_features(make_network, images, labels):
    source = make_network(classes=7)
    before = source.get_weights()
    losses = []
    for epochs in (0, 40):
        head = kerastl.train_head(source, (images, labels), epochs=epochs)
        network = keras.Model(
            source.input, head(source.get_layer("pool").output)
        )
        predictions = keras.ops.convert_to_numpy(network(images))
        picked = predictions[np.arange(len(labels)), labels]
        losses.append(-np.log(picked).mean())
        assert network.losses == []
        assert head.kernel_regularizer is head.bias_regularizer is None
    assert losses[1] < losses[0]
    for old, new in zip(before, source.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


# The defaults are those of the code of DELTA's authors.
AUTHORS = {
    "epochs": 10,
    "learning_rate": 0.01,
    "momentum": 0.9,
    "weight_decay": 1e-4,
    "decay_epochs": 6,
    "batch_size": 32,
    "seed": 0,
}
OTHERS = {
    "epochs": 3,
    "learning_rate": 0.5,
    "momentum": 0.8,
    "weight_decay": 0.1,
    "decay_epochs": 2,
    "batch_size": 10,
    "seed": 4,
}


@pytest.mark.parametrize("given, all_of", [({}, AUTHORS), (OTHERS, OTHERS)])
def test_equals_gradient_descent_by_hand(
    make_network, images, labels, given, all_of
):
    """Softmax regression in NumPy; the rate falls between epochs only."""
    source = make_network(classes=7)
    features = keras.ops.convert_to_numpy(
        kerastl.surgery.embed(source)(images, training=False)
    ).astype("float64")
    start = kerastl.train_head(
        source, (images, labels), **given | {"epochs": 0}
    )
    kernel, bias = (value.astype("float64") for value in start.get_weights())
    targets = np.eye(3)[labels]
    order = np.random.default_rng(all_of["seed"])
    decay, size = all_of["weight_decay"], all_of["batch_size"]
    velocity = [0.0, 0.0]
    for epoch in range(all_of["epochs"]):
        chosen = order.permutation(24)
        rate = all_of["learning_rate"] * 0.1 ** (epoch / all_of["decay_epochs"])
        for first in range(0, 24, size):
            part = chosen[first : first + size]
            logits = features[part] @ kernel + bias
            shares = np.exp(logits - logits.max(-1, keepdims=True))
            shares /= shares.sum(-1, keepdims=True)
            gap = (shares - targets[part]) / len(part)
            # The bias decays as well.
            slopes = features[part].T @ gap + decay * kernel
            slopes = slopes, gap.sum(0) + decay * bias
            velocity = [
                all_of["momentum"] * old - rate * slope
                for old, slope in zip(velocity, slopes, strict=True)
            ]
            kernel += velocity[0]
            bias += velocity[1]
    head = kerastl.train_head(source, (images, targets), **given)
    np.testing.assert_allclose(head.get_weights()[0], kernel, atol=1e-4)
    np.testing.assert_allclose(head.get_weights()[1], bias, atol=1e-4)


def test_a_feature_map_is_averaged(make_network, images, labels):
    source = make_network()
    backbone = keras.Model(source.input, source.get_layer("out_relu").output)
    first, second = (
        kerastl.train_head(each, (images, labels), epochs=2)
        for each in (source, backbone)
    )
    for one, other in zip(
        first.get_weights(), second.get_weights(), strict=True
    ):
        np.testing.assert_allclose(one, other, atol=1e-5)


def test_needs_labels(make_network, images):
    with pytest.raises(ValueError, match="without labels"):
        kerastl.train_head(make_network(), images)
