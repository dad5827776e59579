"""antialias on what it cannot rewrite, and with wrong arguments."""

import keras
import pytest
from keras import layers

import kerastl
from kerastl.layers import BlurPooling2D


class Block(layers.Layer):
    """Hides a strided convolution in its own `call`."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.conv = layers.Conv2D(4, 3, strides=2)

    def call(self, inputs):
        return self.conv(inputs)


def test_down_sampling_in_a_custom_layer_is_refused(by_layer, chain):
    model = chain(Block(name="block"), layers.MaxPooling2D(name="pool"))
    row = by_layer(kerastl.inspect_antialias(model))["block"]
    assert row.action == "refused"
    with pytest.raises(ValueError, match="block.*functional model"):
        kerastl.antialias(model)
    blurred = kerastl.antialias(model, exclude=["block"])
    assert isinstance(blurred.get_layer("pool_blur"), BlurPooling2D)


def test_wrapped_down_sampling_is_refused():
    frames = layers.TimeDistributed(layers.MaxPooling2D(), name="frames")
    model = keras.Sequential([keras.Input((4, 8, 8, 3)), frames])
    report = kerastl.inspect_antialias(model)
    assert report.rows[0].action == "refused"
    assert "frames" in str(report)
    with pytest.raises(ValueError, match="frames"):
        kerastl.antialias(model)


def test_a_subclassed_model_is_refused():
    class Subclassed(keras.Model):
        def call(self, inputs):
            return inputs

    for function in (kerastl.antialias, kerastl.inspect_antialias):
        with pytest.raises(ValueError, match="Build it as a functional model"):
            function(Subclassed())


@pytest.mark.parametrize("kernel_size", [0, 8, 3.0, True, "3", None, (3, 3)])
def test_kernel_size_out_of_range(kernel_size, small_cnn):
    with pytest.raises(ValueError, match="`kernel_size` must be an integer"):
        kerastl.antialias(small_cnn(), kernel_size)


def test_bad_arguments(small_cnn):
    model = small_cnn()
    with pytest.raises(ValueError, match="`padding` must be one of"):
        kerastl.antialias(model, padding="same")
    with pytest.raises(ValueError, match="Did you mean 'stem_relu'"):
        kerastl.antialias(model, exclude=["stem_rely"])


def test_a_map_too_small_to_be_reflected(chain):
    model = chain(layers.MaxPooling2D(name="pool"), size=3)
    with pytest.raises(ValueError, match="pool.*2x2.*padding='edge'"):
        kerastl.antialias(model, 5)
    blurred = kerastl.antialias(model, 5, padding="edge")
    assert blurred.output_shape == model.output_shape
    assert kerastl.inspect_antialias(model, 5).rows[0].action == "refused"


def test_a_model_without_two_dimensional_maps():
    model = keras.Sequential([keras.Input((8,)), layers.Dense(3)])
    with pytest.raises(ValueError, match="nothing to anti-alias"):
        kerastl.antialias(model)
    assert "No 2-D down-sampling" in str(kerastl.inspect_antialias(model))
