import keras
import numpy as np
import pytest
from keras import layers
from keras import ops

from kerastl.surgery import adjust_logits
from kerastl.surgery import copy_model
from kerastl.surgery import scale_temperature


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


def test_counts_that_are_refused(make_network, images):
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


def sharpened(probabilities, power):
    powers = probabilities**power
    return powers / powers.sum(-1, keepdims=True)


@pytest.mark.parametrize("temperature", [0.4, 1.7, 3])
def test_the_logits_are_divided(make_network, images, temperature, tmp_path):
    network = make_network(3)
    network.get_layer("predictions").bias.assign([0.2, -0.1, 0.4])
    before = answers(network, images)
    weights = [ops.convert_to_numpy(each) for each in network.weights]
    scale_temperature(network, temperature)
    after = answers(network, images)
    np.testing.assert_allclose(
        after, sharpened(before, 1 / temperature), rtol=1e-4
    )
    np.testing.assert_array_equal(after.argmax(-1), before.argmax(-1))
    # Nothing but the classifier is another one.
    changed = [
        variable.path
        for variable, value in zip(network.weights, weights, strict=True)
        if not np.array_equal(ops.convert_to_numpy(variable), value)
    ]
    assert changed == ["predictions/kernel", "predictions/bias"]
    network.save(tmp_path / "a.keras")
    loaded = keras.saving.load_model(tmp_path / "a.keras")
    np.testing.assert_array_equal(answers(loaded, images), after)
    scale_temperature(network, 1 / temperature)
    np.testing.assert_allclose(answers(network, images), before, rtol=1e-4)


def head_on(images, make):
    inputs = keras.Input(images.shape[1:])
    x = layers.GlobalAveragePooling2D()(layers.Rescaling(1 / 50)(inputs))
    return keras.Model(inputs, make(x))


def test_without_a_bias_and_behind_a_temperature(images):
    network = head_on(
        images,
        lambda x: ops.softmax(layers.Dense(4, use_bias=False)(x) / 0.5),
    )
    before = answers(network, images)
    scale_temperature(network, 2.0)
    np.testing.assert_allclose(
        answers(network, images), sharpened(before, 0.5), rtol=1e-4
    )


def test_logits_are_divided_themselves(images):
    network = head_on(images, layers.Dense(4))
    network.layers[-1].bias.assign([0.3, -0.2, 0.1, 2.0])
    before = answers(network, images)
    scale_temperature(network, 1.6)
    np.testing.assert_allclose(
        answers(network, images), before / 1.6, rtol=1e-5
    )


def test_the_temperature_of_a_yes_or_no(images):
    network = head_on(images, layers.Dense(1, "sigmoid"))
    network.layers[-1].bias.assign([0.7])
    yes = answers(network, images)
    scale_temperature(network, 2.5)
    expected = sharpened(np.concatenate([1 - yes, yes], -1), 1 / 2.5)[:, 1:]
    np.testing.assert_allclose(answers(network, images), expected, rtol=1e-4)


def test_what_no_temperature_is_for(make_network, images):
    network = make_network(3)
    kernel = ops.convert_to_numpy(network.get_layer("predictions").kernel)
    for temperature in (0, -1, float("nan"), "hot", None):
        with pytest.raises(ValueError, match="`temperature`"):
            scale_temperature(network, temperature)
    for model in (None, keras.Sequential()):
        with pytest.raises(ValueError, match="Received: model="):
            scale_temperature(model, 2.0)
    np.testing.assert_array_equal(
        ops.convert_to_numpy(network.get_layer("predictions").kernel), kernel
    )
    quantized = copy_model(network)
    quantized.get_layer("predictions").quantize("int8")
    with pytest.raises(ValueError, match="quantized.*'predictions'"):
        scale_temperature(quantized, 2.0)
    with pytest.raises(ValueError, match="sigmoid"):
        scale_temperature(head_on(images, layers.Dense(3, "sigmoid")), 2.0)
    features = head_on(images, lambda x: x)
    with pytest.raises(ValueError, match="no classifier"):
        scale_temperature(features, 2.0)


@pytest.mark.tensorflow_only
@pytest.mark.filterwarnings("ignore:Only .* images in `calibration`")
def test_a_network_that_trains_with_rounding_is_refused(make_network, images):
    from kerastl import export

    aware = export.quantization_aware(make_network(3), calibration=images)
    with pytest.raises(ValueError, match="Divide the network that it was"):
        scale_temperature(aware, 2.0)
