import keras
import pytest
from keras import layers
from keras import ops

from kerastl.layers import BlurPooling2D
from kerastl.surgery.downsampling import downsampling
from kerastl.surgery.downsampling import hides_downsampling
from kerastl.surgery.downsampling import is_blur
from kerastl.surgery.downsampling import spatial_size
from kerastl.surgery.downsampling import why_it_shrinks
from kerastl.surgery.graph import read_graph


@pytest.mark.parametrize(
    "layer, window, strides, padding",
    [
        (layers.Conv2D(2, 3, 2), (3, 3), (2, 2), "valid"),
        (layers.Conv2D(2, (1, 3), (1, 2), "SAME"), (1, 3), (1, 2), "same"),
        (layers.DepthwiseConv2D(3, 2), (3, 3), (2, 2), "valid"),
        (layers.SeparableConv2D(2, 3, 2), (3, 3), (2, 2), "valid"),
        (layers.MaxPooling2D(3, 2), (3, 3), (2, 2), "valid"),
        (layers.AveragePooling2D(2, padding="same"), (2, 2), (2, 2), "same"),
    ],
)
def test_what_goes_down(layer, window, strides, padding):
    found = downsampling(layer)
    assert (found.window, found.strides) == (window, strides)
    assert (found.padding, found.data_format) == (padding, "channels_last")


@pytest.mark.parametrize(
    "layer",
    [
        layers.Conv2D(2, 3),
        layers.MaxPooling2D(3, 1),
        layers.Conv2DTranspose(2, 3, 2),
        layers.ReLU(),
    ],
)
def test_what_does_not_go_down(layer):
    assert downsampling(layer) is None


def test_the_kinds_differ():
    kinds = [
        downsampling(layer).kind
        for layer in (
            layers.Conv2D(2, 3, 2),
            layers.MaxPooling2D(2),
            layers.AveragePooling2D(2),
        )
    ]
    assert len(set(kinds)) == 3


def test_blurs():
    assert is_blur(BlurPooling2D(3, strides=2))
    assert not is_blur(BlurPooling2D(3, strides=1))
    assert not is_blur(layers.AveragePooling2D(2))


class _Box(layers.Layer):
    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def call(self, inputs):
        return self.inner(inputs)


def test_what_is_hidden_in_a_layer():
    assert hides_downsampling(_Box(layers.Conv2D(2, 3, 2)))
    assert hides_downsampling(_Box(_Box(layers.MaxPooling2D(2))))
    assert not hides_downsampling(_Box(layers.Conv2D(2, 3)))
    assert not hides_downsampling(layers.MaxPooling2D(2))


def test_height_and_width():
    tensor = keras.KerasTensor((None, 4, 6, 3))
    assert spatial_size(tensor) == (4, 6)
    assert spatial_size(tensor, "channels_first") == (6, 3)
    assert spatial_size(keras.KerasTensor((None, 4, 6))) is None


@pytest.mark.parametrize(
    "call, reason",
    [
        (layers.Resizing(6, 6), "knows no rewrite"),
        (layers.Cropping2D(3), "cuts the border"),
        (layers.CenterCrop(6, 6), "cuts the border"),
        (lambda x: ops.max_pool(x, 2), "keras.ops"),
        # Rows alone.
        (layers.Resizing(6, 12), "knows no rewrite"),
        # A rim, the whole map, and nothing of it.
        (layers.Cropping2D(1), None),
        (layers.Conv2D(3, 3), None),
        (layers.Resizing(1, 1), None),
        (layers.UpSampling2D(2), None),
        (layers.ReLU(), None),
        (layers.Flatten(), None),
    ],
)
def test_why_a_map_is_smaller_behind_a_call(call, reason):
    inputs = keras.Input((12, 12, 3))
    [node] = read_graph(keras.Model(inputs, call(inputs))).nodes
    found = why_it_shrinks(node)
    assert found is None if reason is None else reason in found


def test_what_has_several_maps_or_no_size_is_not_explained():
    inputs = keras.Input((12, 12, 3))
    halves = ops.split(inputs, 2, axis=1)
    [node] = read_graph(keras.Model(inputs, halves)).nodes
    assert why_it_shrinks(node) is None
    inputs = keras.Input((None, None, 3))
    [node] = read_graph(keras.Model(inputs, layers.Cropping2D(3)(inputs))).nodes
    assert why_it_shrinks(node) is None


def test_single_pixels_are_read_by_the_smallest_window():
    assert downsampling(layers.Conv2D(2, 1, 2)).is_subsampling
    assert not downsampling(layers.Conv2D(2, (1, 3), 2)).is_subsampling
    assert not downsampling(layers.MaxPooling2D(2)).is_subsampling
