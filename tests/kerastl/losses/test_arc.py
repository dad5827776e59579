import keras
import numpy as np
import pytest
from keras import ops

import kerastl
from kerastl.losses import ARC


def kernel_mean(a, b):
    return np.mean([[np.exp(-np.mean((x - y) ** 2)) for y in b] for x in a])


def compiled(student, *terms):
    tuner = kerastl.FineTuner(student, batch_norm="freeze")
    tuner.compile(
        keras.optimizers.SGD(0.0),
        "sparse_categorical_crossentropy",
        transfer_losses=list(terms),
    )
    return tuner


def test_value_over_two_steps(make_network, images, labels):
    """The queues keep the newest sure examples of both kinds."""
    student = make_network()
    head = student.get_layer("predictions")
    head.kernel.assign(head.kernel * 4.0)
    features = kerastl.surgery.feature_extractor(student, ["pool"])
    rows = ops.convert_to_numpy(features(images)["pool"])
    probabilities = ops.convert_to_numpy(student(images))
    entropy = -(probabilities * np.log(probabilities)).sum(-1) / np.log(3)
    threshold = float(np.median(entropy))
    tuner = compiled(student, ARC(threshold=threshold, queue=5, warmup_steps=0))
    sides = [], []
    sure = entropy <= threshold
    for here, there in (
        (slice(6), slice(6, 12)),
        (slice(12, 18), slice(18, 24)),
    ):
        logs = tuner.train_on_batch(
            {"images": images[here], "unlabelled": images[there]},
            labels[here],
            return_dict=True,
        )
        tuner.reset_metrics()
        for side, part in zip(sides, (here, there), strict=True):
            side[:0] = rows[part][sure[part]].tolist()
            del side[5:]
        assert all(sides)
        a, b = (np.array(side) for side in sides)
        expected = kernel_mean(a, a) + kernel_mean(b, b) - 2 * kernel_mean(a, b)
        np.testing.assert_allclose(logs["arc"], expected, rtol=1e-3, atol=1e-6)


def test_the_same_images_on_both_sides(make_network, images, labels):
    tuner = compiled(make_network(), ARC(threshold=1.0, warmup_steps=0))
    logs = tuner.train_on_batch(
        {"images": images, "unlabelled": images}, labels, return_dict=True
    )
    assert abs(float(logs["arc"])) < 1e-6


def test_logits_are_read_as_such(make_network, images, labels):
    inputs = {"images": images[:12], "unlabelled": images[12:]}
    student = make_network()
    found = []
    for logits in (False, True):
        tuner = kerastl.FineTuner(student, batch_norm="freeze")
        head = student.get_layer("predictions")
        if logits:
            head.activation = keras.activations.linear
        tuner.compile(
            keras.optimizers.SGD(0.0),
            keras.losses.SparseCategoricalCrossentropy(from_logits=logits),
            transfer_losses=[ARC(threshold=0.97, warmup_steps=0)],
        )
        logs = tuner.train_on_batch(inputs, labels[:12], return_dict=True)
        found.append(float(logs["arc"]))
    assert found[0] == pytest.approx(found[1], rel=1e-4)


def test_errors(make_network, images, labels):
    with pytest.raises(ValueError, match="queue=0"):
        ARC(queue=0)
    tuner = compiled(make_network(), ARC())
    with pytest.raises(ValueError, match=r"data\.with_unlabelled"):
        tuner.fit(images, labels, verbose=0)
