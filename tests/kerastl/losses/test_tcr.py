import keras
import numpy as np
import pytest
from keras import ops

import kerastl
from kerastl.losses import TCR


def make_terms(source):
    """What test_every_term trains, from a source of 7 classes."""
    return [TCR(20, squeeze_epoch=2)]


def compiled(student, term, **kwargs):
    tuner = kerastl.FineTuner(student, batch_norm="freeze")
    tuner.compile(
        keras.optimizers.SGD(0.2),
        kwargs.pop("loss", "sparse_categorical_crossentropy"),
        transfer_losses=[term],
        **kwargs,
    )
    return tuner


@pytest.mark.parametrize("gamma", [1.0, 3.0])
def test_value_over_four_epochs(make_network, images, labels, gamma):
    """Labels give way to the predictions of the epoch before."""
    student = make_network()
    tuner = compiled(student, TCR(40, 0.25, gamma, squeeze_epoch=3))
    index = np.random.default_rng(0).permutation(40)[:24]
    own = np.eye(3)[labels]
    stored = None
    for epoch in range(5):
        target = own
        if stored is not None:
            z = stored
            if epoch >= 3:
                z = stored**gamma / (stored**gamma).sum(-1, keepdims=True)
            target = 0.25 * own + 0.75 * z
        stored = ops.convert_to_numpy(student(images)).astype("float64")
        expected = -(target * np.log(stored)).sum(-1).mean()
        logs = tuner.train_on_batch(
            {"images": images, "index": index}, labels, return_dict=True
        )
        tuner.reset_metrics()
        np.testing.assert_allclose(logs["loss"], expected, rtol=1e-4)
        np.testing.assert_allclose(
            logs["tcr"], np.abs(target - own).sum(-1).mean() / 2, atol=1e-5
        )


def test_gamma_1_is_the_identity(make_network, images, labels):
    losses = []
    for gamma, epoch in ((1.0, 0), (1.0, None), (2.0, 0)):
        keras.utils.set_random_seed(0)
        tuner = compiled(make_network(), TCR(24, 0.1, gamma, epoch))
        inputs = {"images": images, "index": np.arange(24)}
        history = tuner.fit(
            inputs, labels, batch_size=8, epochs=3, shuffle=False, verbose=0
        ).history
        losses.append(history["loss"])
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-6)
    assert losses[2][2] != pytest.approx(losses[0][2], rel=1e-4)


def test_only_the_examples_of_a_batch_change(make_network, images, labels):
    term = TCR(24)
    tuner = compiled(make_network(), term)
    index = np.array([3, 20, 7, 11])
    tuner.train_on_batch({"images": images[:4], "index": index}, labels[:4])
    predictions, visits = (store.to_numpy() for store in term.stores)
    np.testing.assert_array_equal(np.flatnonzero(visits), np.sort(index))
    np.testing.assert_allclose(predictions[index].sum(1), 1, rtol=1e-5)
    assert not np.delete(predictions, index, axis=0).any()


def test_errors(make_network, images, labels):
    for arguments in ({"beta": 1.5}, {"gamma": 0}, {"num_samples": 0}):
        (name,) = arguments
        with pytest.raises(ValueError, match=f"Received: {name}="):
            TCR(**{"num_samples": 10, **arguments})
    tuner = compiled(make_network(), TCR(24))
    with pytest.raises(ValueError, match=r"data\.with_index"):
        tuner.fit(images, labels, verbose=0)
