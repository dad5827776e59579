import keras
import numpy as np
import pytest
from keras import ops

import kerastl
from kerastl.losses import ARC
from kerastl.losses.arc import _FeatureQueue
from kerastl.losses.arc import _mmd

# Replicas keep the examples of the first one.
DIFFERS_IN = {"replicas"}


def make_terms(source):
    """What test_every_term trains, from a source of 7 classes."""
    return [ARC(1.0, threshold=1, queue=6, warmup_steps=3)]


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


def published(a, b):
    return kernel_mean(a, a) + kernel_mean(b, b) - 2 * kernel_mean(a, b)


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
            side.extend(rows[part][sure[part]].tolist())
            # The first row of the oldest batch leaves first.
            del side[:-5]
        assert all(sides)
        expected = published(*(np.array(side) for side in sides))
        np.testing.assert_allclose(logs["arc"], expected, rtol=1e-3, atol=1e-6)


def test_the_published_steps(make_network, images, labels):
    """Against the authors' loop, written anew with lists.

    Some batches have no sure example on one side: they add nothing to either
    queue, and the term is 0.
    """
    student = make_network()
    head = student.get_layer("predictions")
    head.kernel.assign(head.kernel * 4.0)
    features = kerastl.surgery.feature_extractor(student, ["pool"])
    rows = ops.convert_to_numpy(features(images)["pool"])
    p = ops.convert_to_numpy(student(images))
    entropy = -(p * np.log(p)).sum(-1) / np.log(3)
    order = np.argsort(entropy)
    threshold = float(entropy[order[11:13]].mean())
    sure, unsure = order[:12], order[12:]
    batches = [
        (sure[:4], unsure[:4]),
        (sure[:4], np.r_[sure[4:6], unsure[:2]]),
        (unsure[:4], sure[:4]),
        (np.r_[unsure[:3], sure[6]], sure[8:12]),
        (sure[4:8], sure[6:10]),
        (unsure[4:8], unsure[8:12]),
        (sure[8:12], np.r_[sure[0], unsure[6:9]]),
        (sure[2:6], sure[5:9]),
    ]
    # A tenth of the warm-up are 2 steps; 20 of 128 are 1.25 of 8 places.
    term = ARC(threshold=threshold, queue=8, warmup_steps=20)
    tuner = compiled(student, term)
    sides, seen = ([], []), []
    for step, parts in enumerate(batches):
        chosen = [[i for i in part if i in sure] for part in parts]
        expected = 0.0
        if all(chosen):
            for side, found in zip(sides, chosen, strict=True):
                side.extend(found)
                del side[:-8]
            if step > 2 and len(sides[0]) > 1.25:
                value = published(*(rows[side] for side in sides))
                expected = min(1, (step + 1) / 20) * value
        logs = tuner.train_on_batch(
            {"images": images[parts[0]], "unlabelled": images[parts[1]]},
            labels[parts[0]],
            return_dict=True,
        )
        tuner.reset_metrics()
        np.testing.assert_allclose(logs["arc"], expected, rtol=2e-3, atol=1e-6)
        seen.append(expected)
    assert [value > 0 for value in seen] == [0, 0, 0, 1, 1, 0, 1, 1]


@pytest.mark.parametrize(
    "warmup, batch, zeros, factor", [(100, 12, 11, 0.12), (0, 10, 2, 1.0)]
)
def test_when_the_term_begins(
    make_network, images, labels, warmup, batch, zeros, factor
):
    """After step 10, counted from 0, and with more than 20 labelled rows."""
    student = make_network()
    features = kerastl.surgery.feature_extractor(student, ["pool"])
    rows = ops.convert_to_numpy(features(images)["pool"])
    # The published 100 steps are the default.
    options = {} if warmup == 100 else {"warmup_steps": warmup}
    tuner = compiled(student, ARC(threshold=1.0, **options))
    found = []
    for _ in range(zeros + 1):
        logs = tuner.train_on_batch(
            {"images": images[:batch], "unlabelled": images[-batch:]},
            labels[:batch],
            return_dict=True,
        )
        tuner.reset_metrics()
        found.append(float(logs["arc"]))
    assert found[:-1] == [0.0] * zeros
    # All have been stored equally often, but for the queue's end.
    sides = (
        np.tile(part, (zeros + 1, 1)) for part in (rows[:batch], rows[-batch:])
    )
    value = published(*(side[-128:] for side in sides))
    assert found[-1] == pytest.approx(factor * value, rel=2e-3)


def test_the_same_images_on_both_sides(make_network, images, labels):
    tuner = compiled(make_network(), ARC(threshold=1.0, warmup_steps=0))
    logs = tuner.train_on_batch(
        {"images": images, "unlabelled": images}, labels, return_dict=True
    )
    assert abs(float(logs["arc"])) < 1e-6


def test_logits_are_read_as_such(make_network, images, labels):
    inputs = {"images": images[:12], "unlabelled": images[12:]}
    student = make_network()
    # Whatever a backend draws, some predictions are sure.
    kernel = student.get_layer("predictions").kernel
    kernel.assign(10 * kernel)
    found = []
    for logits in (False, True):
        tuner = kerastl.FineTuner(student, batch_norm="freeze")
        head = student.get_layer("predictions")
        if logits:
            head.activation = keras.activations.linear
        tuner.compile(
            keras.optimizers.SGD(0.0),
            keras.losses.SparseCategoricalCrossentropy(from_logits=logits),
            transfer_losses=[ARC(threshold=0.97, queue=6, warmup_steps=0)],
        )
        logs = tuner.train_on_batch(inputs, labels[:12], return_dict=True)
        found.append(float(logs["arc"]))
    assert found[0] == pytest.approx(found[1], rel=1e-4)
    assert found[0] > 1e-5


def test_errors(make_network, images, labels):
    with pytest.raises(ValueError, match="queue=0"):
        ARC(queue=0)
    tuner = compiled(make_network(), ARC())
    with pytest.raises(ValueError, match=r"data\.with_unlabelled"):
        tuner.fit(images, labels, verbose=0)


def rows(*values):
    return np.array(values, "float32")[:, None] * np.ones(2, "float32")


def kept(result):
    found, mask = (ops.convert_to_numpy(part) for part in result)
    return found[mask > 0, 0].tolist()


def test_first_in_first_out():
    queue = _FeatureQueue(4, 2, "queue")
    mask = np.array([1, 0, 1], "float32")
    assert kept(queue.push(rows(1, 2, 3), mask)) == [1, 3]
    assert kept(queue.push(rows(4, 5, 6), mask * 0)) == [1, 3]
    assert kept(queue.push(rows(7, 8, 9), 1 - mask)) == [1, 3, 8]
    # The first row of the oldest batch leaves first.
    assert kept(queue.push(rows(10, 11, 12), mask)) == [3, 8, 10, 12]
    pushed = queue.push(rows(13, 14, 15, 16, 17), np.ones(5, "float32"))
    assert kept(pushed) == [14, 15, 16, 17]
    stored = ops.convert_to_numpy(queue.rows)[:, 0].tolist()
    assert stored == [14, 15, 16, 17]
    assert ops.convert_to_numpy(queue.filled).tolist() == [1, 1, 1, 1]


def test_rows_keep_their_precision_in_a_layer_of_half_precision():
    queue = _FeatureQueue(2, 2, "queue")
    queue.rows.assign(rows(1.0001, 2.0001))
    queue.filled.assign([1, 1])

    class Half(keras.layers.Layer):
        def call(self, x):
            found, _ = queue.push(x, ops.ones(1))
            return found

    found = Half(dtype="mixed_float16", autocast=False)(rows(3.0001))
    expected = rows(1.0001, 2.0001, 3.0001)
    np.testing.assert_array_equal(ops.convert_to_numpy(found), expected)


def test_it_has_no_trainable_weights():
    queue = _FeatureQueue(4, 2, "queue")
    assert isinstance(queue, keras.layers.Layer)
    assert len(queue.non_trainable_variables) == 2 == len(queue.variables)


def test_the_discrepancy_by_hand():
    generator = np.random.default_rng(0)
    a, b = generator.normal(size=(7, 5)), generator.normal(1, 1, (4, 5))
    found = _mmd(*(ops.convert_to_tensor(x, "float32") for x in (a, b)))
    np.testing.assert_allclose(float(found), published(a, b), rtol=1e-5)


def test_a_set_and_itself():
    rows = np.random.default_rng(1).normal(5, 3, (6, 8)).astype("float32")
    assert abs(float(_mmd(rows, rows))) < 1e-6
    assert abs(float(_mmd(rows, rows[::-1].copy()))) < 1e-6


def test_nothing_is_nearer_than_the_same():
    """Rounding makes squares of large numbers negative."""
    rows = np.random.default_rng(3).normal(1e3, 100, (20, 64)).astype("float32")
    found = [float(_mmd(row[None], -row[None])) for row in rows]
    assert max(found) <= 2
    assert max(found) > 1.9


def test_masks():
    generator = np.random.default_rng(2)
    a, b = generator.normal(size=(2, 6, 3)).astype("float32")
    first, second = (
        np.array(mask, "float32") for mask in ([1, 0, 1, 1, 0, 0], [0, 1] * 3)
    )
    found = _mmd(a, b, first, second)
    expected = published(a[first > 0], b[second > 0])
    np.testing.assert_allclose(float(found), expected, rtol=1e-5)
    assert float(_mmd(a, b, np.zeros(6, "float32"), second)) == 0.0
