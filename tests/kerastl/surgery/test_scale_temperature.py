import keras
import numpy as np
import pytest
from keras import layers
from keras import ops

from kerastl.surgery import copy_model
from kerastl.surgery import scale_temperature


def answers(model, images):
    return ops.convert_to_numpy(model(images, training=False)).astype("float64")


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


def test_yes_or_no(images):
    network = head_on(images, layers.Dense(1, "sigmoid"))
    network.layers[-1].bias.assign([0.7])
    yes = answers(network, images)
    scale_temperature(network, 2.5)
    expected = sharpened(np.concatenate([1 - yes, yes], -1), 1 / 2.5)[:, 1:]
    np.testing.assert_allclose(answers(network, images), expected, rtol=1e-4)


def test_what_is_refused(make_network, images):
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
