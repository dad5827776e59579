import keras
import numpy as np
import pytest
from keras import ops

import kerastl
from kerastl.losses import AKC
from kerastl.losses.akc import WarmUp


def make_terms(source):
    """What test_every_term trains, from a source of 7 classes."""
    return [AKC(source, 0.1, threshold=1, warmup_steps=3)]


def softmax(logits):
    raised = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return raised / raised.sum(axis=-1, keepdims=True)


def pooled(model, images):
    features = kerastl.surgery.feature_extractor(model, ["pool"])
    return ops.convert_to_numpy(features(images, training=False)["pool"])


@pytest.fixture
def networks(make_network, images):
    """A student that differs from its source, which is sometimes sure."""
    source = make_network(5)
    head = source.get_layer("predictions")
    head.kernel.assign(head.kernel * 4.0)
    student = kerastl.replace_head(source, 3)
    kernel = student.get_layer("block2_conv").kernel
    kernel.assign(kernel * 2.0)
    probabilities = ops.convert_to_numpy(source(images))
    entropy = -(probabilities * np.log(probabilities)).sum(-1)
    # Half of the predictions are surer than this.
    threshold = float(np.median(entropy) / np.log(5))
    return student, source, threshold


@pytest.mark.parametrize("compare", ["features", "predictions"])
@pytest.mark.parametrize("unlabelled", [False, True])
def test_value(networks, images, labels, compare, unlabelled):
    student, source, threshold = networks
    there, here = pooled(source, images), pooled(student, images)
    kernel, bias = source.get_layer("predictions").get_weights()
    recorded = softmax(there @ kernel + bias)
    sure = -(recorded * np.log(recorded)).sum(-1) <= threshold * np.log(5)
    assert 0 < sure.sum() < len(images)
    if compare == "features":
        distances = ((here - there) ** 2).sum(-1)
    else:
        given = softmax(here @ kernel + bias)
        distances = (recorded * np.log(recorded / given)).sum(-1)
    inputs, targets = images, labels
    if unlabelled:
        inputs = {"images": images[:8], "unlabelled": images[8:]}
        targets = labels[:8]
    tuner = kerastl.FineTuner(student, source, batch_norm="freeze")
    tuner.compile(
        keras.optimizers.SGD(0.0),
        "sparse_categorical_crossentropy",
        transfer_losses=[
            AKC(source, threshold=threshold, compare=compare, warmup_steps=4)
        ],
    )
    # One step after the other, the warm-up goes on.
    for factor in (0.25, 0.5, 0.75, 1, 1):
        logs = tuner.train_on_batch(inputs, targets, return_dict=True)
        tuner.reset_metrics()
        np.testing.assert_allclose(
            logs["akc"], factor * distances[sure].mean(), rtol=1e-4, atol=1e-7
        )


def test_nobody_is_sure(networks, images, labels):
    student, source, _ = networks
    tuner = kerastl.FineTuner(student, source)
    tuner.compile(
        "sgd",
        "sparse_categorical_crossentropy",
        transfer_losses=[AKC(source, threshold=0.0, warmup_steps=0)],
    )
    logs = tuner.train_on_batch(images, labels, return_dict=True)
    assert logs["akc"] == 0.0


def test_an_unknown_comparison(networks):
    with pytest.raises(ValueError, match="mean 'predictions'"):
        AKC(networks[1], compare="prediction")


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        (4, [0.25, 0.5, 0.75, 1.0, 1.0]),
        (1, [1.0, 1.0]),
        (0, [1.0, 1.0]),
    ],
)
def test_factors(steps, expected):
    warm_up = WarmUp(steps)
    assert [float(warm_up.factor()) for _ in expected] == expected
    assert float(warm_up.seen) == len(expected)


def test_it_is_a_layer_whose_count_is_saved_and_does_not_train():
    warm_up = WarmUp(3)
    assert isinstance(warm_up, keras.layers.Layer) and warm_up.built
    assert not warm_up.trainable_variables
    assert len(warm_up.non_trainable_variables) == 1
