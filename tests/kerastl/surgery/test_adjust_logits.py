import keras
import numpy as np
import pytest
from keras import layers
from keras import ops

from kerastl.surgery import adjust_logits
from kerastl.surgery import copy_model


def answers(model, images):
    return ops.convert_to_numpy(model(images, training=False)).astype("float64")


def test_the_shares_leave_the_probabilities(make_network, images):
    network = make_network(3)
    before = answers(network, images)
    adjust_logits(network, [60, 3, 20])
    expected = before / [60, 3, 20]
    expected /= expected.sum(-1, keepdims=True)
    np.testing.assert_allclose(answers(network, images), expected, rtol=1e-4)
    adjust_logits(network, [60, 3, 20], strength=-1)
    np.testing.assert_allclose(answers(network, images), before, rtol=1e-4)


def test_half_of_the_shares(make_network, images):
    network = make_network(3)
    before = answers(network, images)
    adjust_logits(network, np.array([9, 4, 1]), strength=0.5)
    expected = before / [3, 2, 1]
    expected /= expected.sum(-1, keepdims=True)
    np.testing.assert_allclose(answers(network, images), expected, rtol=1e-4)


def test_even_classes_stay_as_they_are(make_network, images):
    network = make_network(3)
    before = answers(network, images)
    adjust_logits(network, [7, 7, 7])
    np.testing.assert_allclose(answers(network, images), before, rtol=1e-5)


def test_behind_a_temperature(make_network, images):
    body = make_network(3)
    logits = copy_model(body)
    logits.get_layer("predictions").activation = keras.activations.linear
    inputs = keras.Input(images.shape[1:])
    network = keras.Model(inputs, ops.softmax(copy_model(logits)(inputs) / 4.0))
    before = answers(network, images)
    adjust_logits(network, [8, 1, 1])
    expected = before / [8, 1, 1]
    expected /= expected.sum(-1, keepdims=True)
    np.testing.assert_allclose(answers(network, images), expected, rtol=1e-4)


def test_yes_or_no(images):
    inputs = keras.Input(images.shape[1:])
    x = layers.GlobalAveragePooling2D()(layers.Rescaling(1 / 255)(inputs))
    network = keras.Model(inputs, layers.Dense(1, "sigmoid", name="yes")(x))
    yes = answers(network, images)
    adjust_logits(network, [30, 10])
    no, yes = (1 - yes) / 30, yes / 10
    expected = yes / (no + yes)
    np.testing.assert_allclose(answers(network, images), expected, rtol=1e-4)


def test_counts_by_name_and_a_dict_of_one_output(make_network, images):
    body = make_network(3)
    before = answers(body, images)
    network = keras.Model(body.inputs, {"answer": body.outputs[0]})
    adjust_logits(network, {"coat": 60, "hat": 3, "shoe": 20})
    expected = before / [60, 3, 20]
    expected /= expected.sum(-1, keepdims=True)
    np.testing.assert_allclose(answers(body, images), expected, rtol=1e-4)


@pytest.mark.parametrize("classes", [1, 3])
def test_a_hard_sigmoid_is_no_sigmoid(classes, images):
    """It is linear near zero, as logits are, and nothing else of theirs."""
    inputs = keras.Input(images.shape[1:])
    x = layers.GlobalAveragePooling2D()(layers.Rescaling(1 / 255)(inputs))
    network = keras.Model(inputs, layers.Dense(classes, "hard_sigmoid")(x))
    bias = network.layers[-1].bias
    with pytest.raises(ValueError, match="sigmoid.*Received"):
        adjust_logits(network, [30, 10, 5][: max(classes, 2)])
    np.testing.assert_array_equal(bias, 0)


def test_what_is_refused(make_network, images):
    network = make_network(3)
    nan, infinity = float("nan"), float("inf")
    for counts in (
        *([3, 4], [3, 0, 4], [3, nan, 4], [3, infinity, 4], [[1, 2, 3]]),
        *("abc", None, {"coat": 3}),
    ):
        with pytest.raises(ValueError, match="each of 3 classes.*Received"):
            adjust_logits(network, counts)
    for model in (None, keras.Sequential()):
        with pytest.raises(ValueError, match="Received: model="):
            adjust_logits(model, [1, 2, 3])
    with pytest.raises(ValueError, match="`strength` must be a finite number"):
        adjust_logits(network, [1, 2, 3], strength=float("inf"))
    inputs = keras.Input(images.shape[1:])
    pooled = layers.GlobalAveragePooling2D()(inputs)
    without = layers.Dense(3, "softmax", use_bias=False, name="bare")(pooled)
    with pytest.raises(ValueError, match="no bias.*'bare'"):
        adjust_logits(keras.Model(inputs, without), [1, 2, 3])
    with pytest.raises(ValueError, match="Received: (source|model)="):
        adjust_logits(keras.Model(inputs, pooled[:, :1]), [1, 2])
