"""Where several names of layers are taken, a text is one of them."""

import keras
import numpy as np
import pytest
from keras import layers

import kerastl
from kerastl.arguments import as_names

pytestmark = pytest.mark.tensorflow_only


@pytest.fixture
def network():
    inputs = keras.Input((8, 8, 3))
    stem = layers.Conv2D(4, 3, padding="same", name="stem")(inputs)
    x = layers.ReLU(name="stem_relu")(stem)
    x = layers.Conv2D(4, 3, padding="same", name="inner")(x)
    x = layers.Add(name="sum")([x, stem])
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(3, "softmax", name="head")(x))


IMAGES = np.random.default_rng(0).uniform(0, 255, (6, 8, 8, 3))
LABELS = np.arange(6) % 3

TAKERS = {
    "tuner": (
        "stem_relu",
        lambda network, taps: (
            kerastl.FineTuner(
                keras.models.clone_model(network), source=network, taps=taps
            ).taps
        ),
    ),
    "loss": (
        "stem_relu",
        lambda network, taps: kerastl.losses.PixelLevel(1.0, taps=taps).taps,
    ),
    "delta": (
        "inner",
        lambda network, taps: (
            kerastl.losses.DELTA(
                1.0, {"inner": np.full(4, 0.25)}, taps=taps
            ).taps
        ),
    ),
    "attention": (
        "inner",
        lambda network, taps: list(
            kerastl.metrics.compute_channel_attention(
                network,
                network.get_layer("head"),
                (IMAGES.astype("float32"), LABELS),
                taps,
            )
        ),
    ),
    "gaussians": (
        "stem_relu",
        lambda network, taps: list(
            kerastl.metrics.fit_gaussians(
                network, IMAGES.astype("float32"), taps
            )
        ),
    ),
    "gates": (
        "inner",
        lambda network, names: [
            layer.name
            for layer in kerastl.surgery.add_gated_filters(
                network, layers=names
            ).layers
        ],
    ),
    "blocks": (
        "sum",
        lambda network, names: [
            layer.name
            for layer in kerastl.surgery.add_block_routing(
                network, blocks=names
            ).layers
        ],
    ),
}


@pytest.mark.parametrize("taker", TAKERS)
def test_a_text_is_a_list_of_one(network, taker):
    name, take = TAKERS[taker]
    found = take(network, name)
    assert found == take(network, [name])
    assert any(name in each for each in found)


def test_names():
    assert as_names("stem") == ["stem"]
    assert as_names(("stem", "head")) == ["stem", "head"]
    assert as_names(iter(["stem"])) == ["stem"]
