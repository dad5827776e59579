"""Kernels that are not the ones that layers compute with."""

import keras
import numpy as np
import pytest
from keras import layers

import kerastl
from kerastl.surgery import cluster_weights
from kerastl.surgery import prune_channels
from kerastl.surgery import prune_weights
from kerastl.surgery.head_weights import head_weights
from kerastl.surgery.plain_weights import with_plain_weights

IMAGES = np.random.default_rng(0).normal(size=(6, 8, 8, 3)).astype("float32")


@pytest.fixture
def network():
    keras.utils.set_random_seed(0)
    inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 3, activation="relu", name="conv")(inputs)
    x = layers.GlobalAveragePooling2D(name="pooled")(x)
    outputs = layers.Dense(3, "softmax", name="head")(x)
    model = keras.Model(inputs, outputs)
    model.get_layer("head").bias.assign([0.1, -0.2, 0.3])
    return model


def add_lora(model, names=("conv", "head")):
    generator = np.random.default_rng(1)
    for name in names:
        layer = model.get_layer(name)
        layer.enable_lora(2, lora_alpha=3)
        shape = layer.lora_kernel_b.shape
        layer.lora_kernel_b.assign(generator.normal(size=shape))


def quantize(model):
    model.quantize("int8")


def quantize_with_lora(model):
    model.get_layer("head").quantize("int8")
    add_lora(model, ["head"])


def answers(model):
    return keras.ops.convert_to_numpy(model(IMAGES, training=False))


CHANGES = pytest.mark.parametrize(
    "change", [add_lora, quantize, quantize_with_lora]
)


@CHANGES
def test_a_copy_answers_alike(network, change):
    change(network)
    copy = answers(kerastl.surgery.copy_model(network))
    np.testing.assert_allclose(copy, answers(network), atol=1e-6)


@CHANGES
def test_the_plain_network_answers_alike(network, change):
    before = answers(network)
    change(network)
    changed = answers(network)
    assert np.abs(changed - before).max() > 1e-5
    plain = with_plain_weights(network)
    # Inputs are no longer rounded to 8 bits.
    np.testing.assert_allclose(answers(plain), changed, atol=2e-3)
    for layer in plain.layers:
        assert not getattr(layer, "lora_enabled", False)
        assert not getattr(layer, "quantization_mode", None)
        assert layer.dtype_policy.name == "float32"
    assert plain.count_params() == 4 * 28 + 3 * 5
    assert with_plain_weights(plain) is plain


@CHANGES
@pytest.mark.parametrize(
    "rewrite",
    [
        lambda model: prune_weights(model, 0.5),
        lambda model: cluster_weights(model, 4),
        lambda model: prune_channels(model, 0.3),
    ],
)
def test_what_changes_kernels_begins_with_plain_ones(network, change, rewrite):
    change(network)
    expected = answers(rewrite(with_plain_weights(network)))
    np.testing.assert_array_equal(answers(rewrite(network)), expected)


def test_a_kernel_of_another_form_cannot_be_held(network):
    add_lora(network)
    network.compile("sgd", "sparse_categorical_crossentropy")
    pruning = kerastl.callbacks.MagnitudePruning(0.5)
    with pytest.raises(ValueError, match="LoRA. Received: layer='conv'"):
        network.fit(IMAGES, np.arange(6) % 3, callbacks=[pruning], verbose=0)


@CHANGES
def test_a_classifier_is_read_as_it_computes(network, change):
    change(network)
    kernel, bias = head_weights(network)
    pooled = network.get_layer("pooled").output
    features = answers(keras.Model(network.inputs, pooled))
    powers = np.exp(features @ kernel + bias)
    expected = powers / powers.sum(-1, keepdims=True)
    np.testing.assert_allclose(answers(network), expected, atol=2e-3)


@CHANGES
def test_a_classifier_that_cannot_be_written_is_refused(network, change):
    change(network)
    with pytest.raises(ValueError, match="quantized, or has LoRA.*'head'"):
        kerastl.imprint_head(network, (IMAGES, np.arange(6) % 3))
