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
    assert losses[1] < losses[0]
    for old, new in zip(before, source.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_equals_gradient_descent_by_hand(make_network, images, labels):
    """One batch an epoch, no momentum: softmax regression in NumPy."""
    source = make_network(classes=7)
    features = keras.ops.convert_to_numpy(
        kerastl.surgery.embed(source)(images, training=False)
    ).astype("float64")
    options = {
        "epochs": 3,
        "learning_rate": 0.5,
        "momentum": 0.0,
        "weight_decay": 0.1,
        "decay_epochs": 2,
        "seed": 4,
    }
    start = kerastl.train_head(
        source, (images, labels), **options | {"epochs": 0}
    )
    kernel, bias = (value.astype("float64") for value in start.get_weights())
    targets = np.eye(3)[labels]
    for epoch in range(3):
        logits = features @ kernel + bias
        shares = np.exp(logits - logits.max(-1, keepdims=True))
        gap = (shares / shares.sum(-1, keepdims=True) - targets) / len(labels)
        rate = 0.5 * 0.1 ** (epoch / 2)
        kernel -= rate * (features.T @ gap + 0.1 * kernel)
        bias -= rate * gap.sum(0)
    head = kerastl.train_head(source, (images, targets), **options)
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
