import keras
import numpy as np
import pytest

import kerastl
from kerastl.surgery.blur_like import blur_like


def network(size=32):
    """Every way to be blurred: in a kernel, before, after, in its place."""
    inputs = keras.Input((size, size, 3))
    x = keras.layers.Conv2D(4, 3, strides=2, padding="same", name="stem")(
        inputs
    )
    x = keras.layers.ReLU(name="stem_relu")(x)
    x = keras.layers.MaxPooling2D(2, name="maximum")(x)
    left = keras.layers.Conv2D(6, 1, strides=2, name="short")(x)
    right = keras.layers.AveragePooling2D(2, name="average")(x)
    right = keras.layers.Conv2D(6, 1, name="wide")(right)
    x = keras.layers.Add(name="add")([left, right])
    x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    return keras.Model(inputs, keras.layers.Dense(3, name="head")(x))


def pixels(size=32):
    return np.random.default_rng(0).normal(size=(3, size, size, 3))


@pytest.mark.parametrize("place", ["after", "kernel"])
@pytest.mark.parametrize(
    "kernel_size, padding, stem, exclude",
    [
        (3, "reflect", True, ()),
        (5, "zeros", False, ()),
        (2, "edge", True, ["short"]),
        (7, "reflect", True, ["maximum"]),
        (1, "zeros", True, ()),
        # Where no kernel carries a blur, and no layer of its own either.
        (4, "edge", False, ["average", "maximum"]),
        (3, "reflect", True, ["short", "average", "maximum"]),
    ],
)
def test_a_network_is_blurred_as_another(
    place, kernel_size, padding, stem, exclude
):
    source = network()
    blurred = kerastl.antialias(
        source, kernel_size, padding, stem, exclude, place=place
    )
    twin = blur_like(source, blurred)
    assert [(type(each), each.name) for each in twin.layers[1:]] == [
        (type(each), each.name) for each in blurred.layers[1:]
    ]
    for own, other in zip(twin.layers[1:], blurred.layers[1:], strict=True):
        assert own.get_config() == other.get_config()
    np.testing.assert_array_equal(
        keras.ops.convert_to_numpy(twin(pixels())),
        keras.ops.convert_to_numpy(blurred(pixels())),
    )


def test_size_and_head_may_be_others():
    blurred = kerastl.antialias(network(), 5, stem=False, place="kernel")
    other = kerastl.replace_head(network(48), 7, seed=0)
    twin = blur_like(other, blurred)
    expected = kerastl.antialias(other, 5, stem=False, place="kernel")
    np.testing.assert_array_equal(
        keras.ops.convert_to_numpy(twin(pixels(48))),
        keras.ops.convert_to_numpy(expected(pixels(48))),
    )


def test_what_has_no_blurs_is_left():
    source = network()
    assert blur_like(source, network()) is source


def test_other_blurs_are_refused():
    inputs = keras.Input((32, 32, 3))
    x = keras.layers.Conv2D(4, 3, name="stem")(inputs)
    x = kerastl.layers.BlurPooling2D(name="own")(x)
    like = keras.Model(inputs, x, name="other")
    with pytest.raises(ValueError, match=r"'other' cannot.*\['own'\]"):
        blur_like(network(), like)
    # Three pixels cannot be mirrored for seven taps.
    blurred = kerastl.antialias(network(48), 7)
    with pytest.raises(ValueError, match="maps of this size"):
        blur_like(network(12), blurred)
