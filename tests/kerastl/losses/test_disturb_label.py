import keras
import numpy as np
import pytest
from keras import ops

import kerastl
from kerastl.losses import DisturbLabel

# What it draws differs between XLA, replicas and the plain step, and files of
# Keras do not keep where random generators are.
DIFFERS_IN = {"xla", "replicas", "another process"}


def make_terms(source):
    """What test_every_term trains, from a source of 7 classes."""
    return [DisturbLabel(0.5, seed=2)]


def changed(term, labels):
    labels = ops.one_hot(ops.convert_to_tensor(labels), 4)
    return ops.convert_to_numpy(term.change_target(labels, None))


def test_how_many_labels_change():
    term = DisturbLabel(0.4, seed=1)
    labels = np.zeros(20000, "int32")
    target = changed(term, labels)
    np.testing.assert_array_equal(target.sum(-1), 1)
    shares = target.mean(0)
    # P(keep) = 1 - a (K - 1) / K, and a / K for each other class.
    np.testing.assert_allclose(shares, [0.7, 0.1, 0.1, 0.1], atol=0.01)


def test_every_step_draws_anew_and_a_seed_repeats():
    labels = np.arange(400) % 4
    first, again, other = (DisturbLabel(0.5, seed=s) for s in (1, 1, 2))
    steps = [changed(first, labels) for _ in range(2)]
    assert (steps[0] != steps[1]).any()
    np.testing.assert_array_equal(changed(again, labels), steps[0])
    assert (changed(other, labels) != steps[0]).any()
    np.testing.assert_array_equal(
        changed(DisturbLabel(0.0), labels), np.eye(4)[labels]
    )


def test_the_loss_sees_the_changed_labels(make_network, images, labels):
    student = make_network()
    probabilities = ops.convert_to_numpy(student(images))
    target = ops.convert_to_numpy(
        DisturbLabel(0.9, seed=3).change_target(
            ops.one_hot(ops.convert_to_tensor(labels), 3), None
        )
    )
    assert (target.argmax(-1) != labels).any()
    tuner = kerastl.FineTuner(student, batch_norm="freeze")
    tuner.compile(
        keras.optimizers.SGD(0.0),
        "sparse_categorical_crossentropy",
        transfer_losses=[DisturbLabel(0.9, seed=3)],
    )
    logs = tuner.train_on_batch(images, labels, return_dict=True)
    expected = -(target * np.log(probabilities)).sum(-1).mean()
    np.testing.assert_allclose(logs["loss"], expected, rtol=1e-4)


@pytest.mark.parametrize("rate", [1.5, -0.5, float("nan")])
def test_a_rate_out_of_range(rate):
    with pytest.raises(ValueError, match=f"rate={rate}"):
        DisturbLabel(rate)
