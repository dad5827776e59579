"""Checks that several places share, and that all of them ask."""

import pathlib
import re

import keras
import numpy as np
import pytest
from keras import layers
from keras import ops

import kerastl
from kerastl import losses
from kerastl import metrics
from kerastl.arguments import as_names
from kerastl.arguments import as_paths
from kerastl.arguments import checked_pair
from kerastl.arguments import checked_path
from kerastl.arguments import checked_text
from kerastl.arguments import several
from kerastl.arguments import split_names
from kerastl.arguments import unknown_name_error


class _OtherPath:
    """What `os.fspath` reads, and `pathlib` has not made."""

    def __init__(self, value):
        self.value = value

    def __fspath__(self):
        return self.value


@pytest.mark.parametrize(
    "value",
    [[1, 2], (1, 2), np.array([1, 2]), range(1, 3), ops.array([1, 2])],
    ids=["list", "tuple", "array", "range", "tensor"],
)
def test_several_values_become_a_list(value):
    assert several(value, "one") == [1, 2]
    assert checked_pair("size", value) == (1, 2)
    assert all(type(each) is int for each in several(value))


@pytest.mark.parametrize(
    "value", [5, 0.5, "ab", None, np.float32(2), np.array(3), {1: 2}]
)
def test_one_value_is_not_several(value):
    assert several(value) is None
    assert several(value, [value]) == [value]


def test_names_of_numpy_become_pythons():
    names = as_names(np.array(["conv", "dense"]))
    assert names == ["conv", "dense"]
    assert all(type(name) is str for name in names)
    assert as_names("conv") == ["conv"]


@pytest.fixture(scope="module")
def model():
    inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(2, 3, name="low")(inputs)
    x = layers.Conv2D(2, 3, name="high")(x)
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(2, activation="softmax")(x))


def test_arrays_are_what_lists_of_their_values_are(model):
    """Of taps, their weights, sizes and shapes, in all that takes them."""
    taps, weights = np.array(["low", "high"]), np.array([1.0, 2.0])
    term = losses.PixelLevel(1.0, taps=taps, tap_weights=weights)
    assert term.tap_weights == {"low": 1.0, "high": 2.0}
    tuner = kerastl.FineTuner(model, source=model, taps=taps)
    assert tuner.taps == ["low", "high"]
    images = np.random.default_rng(0).uniform(0, 255, (4, 8, 8, 3))
    gaussians = metrics.fit_gaussians(model, images, taps)
    assert list(gaussians) == ["low", "high"]
    blur = kerastl.layers.BlurPooling2D(np.array([3, 5]))
    assert blur.kernel_size == (3, 5)


def test_no_taps_are_the_usual_ones(model):
    usual = kerastl.FineTuner(model, source=model).taps
    for none in ([], np.array([])):
        tuner = kerastl.FineTuner(model, source=model, taps=none)
        assert tuner.taps == usual != []


@pytest.mark.parametrize(
    "value", ["a/b", pathlib.Path("a/b"), _OtherPath("a/b")]
)
def test_paths_are_texts_and_what_stands_for_one(value):
    assert checked_path("output", value) == pathlib.Path("a/b")
    assert as_paths("files", value) == [pathlib.Path("a/b")]
    assert as_paths("files", [value, "c"]) == [
        pathlib.Path("a/b"),
        pathlib.Path("c"),
    ]


@pytest.mark.parametrize(
    "value",
    [5, None, b"a", "", "a\0b", True, 1.5, ["a"], _OtherPath(b"a"), object()],
)
def test_what_is_no_path_is_refused_by_name(value):
    with pytest.raises(
        ValueError, match="^`output` must be a path: .*Received: output="
    ):
        checked_path("output", value)
    with pytest.raises(ValueError, match="^`output` must be a model, or a pat"):
        checked_path("output", value, "a model")


def test_a_text_that_is_no_name_is_not_printed_whole():
    with pytest.raises(ValueError, match="no file has a name as long") as error:
        checked_path("weights", "layer " * 1000)
    assert "(6000 characters)" in str(error.value)
    assert len(str(error.value)) < 300


@pytest.mark.parametrize(
    "text, names",
    [("a", ["a"]), ("a,b", ["a", "b"]), (" a , b ", ["a", "b"])],
)
def test_names_are_split(text, names):
    assert split_names("exports", text) == names
    assert split_names("method", text.replace(",", "+"), "+") == names


@pytest.mark.parametrize(
    "text, where",
    [
        ("a,", "has nothing behind the last ','"),
        (",a", "has nothing before the first ','"),
        ("a,,b", "has nothing between two ','"),
        ("a, ,b", "has nothing between two ','"),
        ("", "names nothing"),
        (" ", "names nothing"),
        (",", "names nothing"),
    ],
)
def test_an_empty_name_is_refused_and_where(text, where):
    with pytest.raises(ValueError, match=f"^`exports` {where}") as error:
        split_names("exports", text)
    assert str(error.value).endswith(f"Received: exports={text!r}")


@pytest.mark.parametrize("value", [5, None, b"a", ["a"], np.array(["a", "b"])])
def test_what_is_no_text_is_refused(value):
    for check in (checked_text, split_names):
        with pytest.raises(ValueError, match="^`method` must be a text"):
            check("method", value)


@pytest.mark.parametrize(
    "text, where",
    [
        ("a+", "behind the last '[+]'"),
        ("+a", "before the first '[+]'"),
        ("a++a", "between two '[+]'"),
    ],
)
def test_an_empty_name_among_known_ones_is_told(text, where):
    error = unknown_name_error("method", "", ["a", "b"], text)
    said = f"of that name. It has nothing {where}: take that .* of a, b. Recei"
    assert re.search(said, str(error))
    assert str(error).endswith(f"method={text!r}")
    alone = str(unknown_name_error("method", "", ["a", "b"]))
    assert alone.startswith("There is no method of that name. Expected")
