"""What conformance in `test_carry_state.py` does not tell apart."""

import collections

import keras
import numpy as np
import pytest
from keras import ops

from kerastl.surgery.carry_state import _carry_attributes


class Worded(keras.layers.Layer):
    mode = "nearest"


@pytest.mark.parametrize(
    "policy, mode",
    # Under another policy a text may name a dtype, and is left alone.
    [("float32", "bicubic"), ("mixed_float16", "nearest")],
)
def test_a_text_is_carried_within_a_policy(policy, mode):
    original, clone = Worded(), Worded(dtype=policy)
    original.mode = "bicubic"
    _carry_attributes(original, clone)
    assert clone.mode == mode


Pair = collections.namedtuple("Pair", "first, second")

PLAIN = [
    True,
    3,
    0.5,
    1 + 2j,
    "text",
    b"bytes",
    np.float64(0.25),
    None,
    np.arange(3),
    {"a": [1, (2.0, None)], "b": np.ones(2)},
    Pair(1, [2]),
    (),
]


def _carried(value, *mine, policy="float32"):
    """What a clone has afterwards that had `mine`, or nothing."""
    original, clone = Worded(), Worded(dtype=policy)
    original.value = value
    for own in mine:
        clone.value = own
    _carry_attributes(original, clone)
    return vars(clone).get("value", "nothing")


@pytest.mark.parametrize("value", PLAIN, ids=lambda value: repr(value)[:20])
def test_a_plain_value_that_the_clone_lacks_is_carried(value):
    found = _carried(value)
    # Keras keeps a dict or list of a layer as one of its own.
    assert isinstance(found, type(value))
    np.testing.assert_equal(found, value)


@pytest.mark.parametrize("value", PLAIN, ids=lambda value: repr(value)[:20])
def test_it_replaces_another_value(value):
    for mine in ("other", 7, [7], {"a": 7}, np.full(3, 7), ops.ones(2)):
        np.testing.assert_equal(_carried(value, mine), value)


def test_what_is_carried_is_a_copy():
    array, inner = np.zeros(2), [np.zeros(1)]
    for found in (_carried(array), _carried({"a": inner})["a"][0]):
        found += 1
    assert not array.any() and not inner[0].any()
    tensor = _carried(ops.arange(3.0))
    np.testing.assert_array_equal(ops.convert_to_numpy(tensor), [0, 1, 2])


@pytest.mark.parametrize(
    "value",
    [
        lambda x: x,
        [1, lambda x: x],
        {"a": object()},
        np.array([None, object()]),
        keras.Variable(1.0),
    ],
)
def test_what_is_not_plain_is_left_alone(value):
    assert _carried(value) == "nothing"
    assert _carried(value, "mine") == "mine"


@pytest.mark.parametrize(
    "wrap",
    [lambda x: x, lambda x: [x], lambda x: (x,), lambda x: {"a": x}],
)
def test_what_was_rounded_to_the_value_stays(wrap):
    """The clone of a layer in half precision has the number it came from."""
    mine, other = np.array([0.1, 0.2]), np.array([0.1, 0.3], "float16")
    found = _carried(wrap(mine.astype("float16")), wrap(mine))
    np.testing.assert_equal(found, wrap(mine))
    found = _carried(wrap(other), wrap(mine))
    np.testing.assert_equal(found, wrap(other))


@pytest.mark.parametrize(
    "value, mine",
    [
        (1, True),
        (1, 1.0),
        ([1, 2], [1]),
        ([1], [1, 2]),
        ({"a": 1}, {"b": 1}),
        ({"a": 1}, {"a": 1, "b": 2}),
        ({"a": 1, "b": 2}, {"a": 1, "b": 3}),
        (np.arange(2), 1),
        (1, np.arange(2)),
    ],
)
def test_what_only_resembles_it_does_not(value, mine):
    found = _carried(value, mine)
    assert isinstance(found, type(value)) and not isinstance(found, bool)
    np.testing.assert_equal(found, value)


@pytest.mark.parametrize(
    "dtype, expected", [("float32", "float16"), ("int32", "int32")]
)
def test_a_tensor_follows_what_its_layer_computes_in(dtype, expected):
    value = ops.convert_to_tensor([1, 2], dtype)
    found = _carried(value, policy="float16")
    assert keras.backend.standardize_dtype(found.dtype) == expected
    np.testing.assert_array_equal(ops.convert_to_numpy(found), [1, 2])


def test_numbers_are_carried_under_another_policy_too():
    assert _carried(3, policy="float16") == 3
    assert _carried("float32", policy="float16") == "nothing"


def test_what_is_left_alone_keeps_nothing_behind_it_back():
    """A text of another policy, what is not plain, and what is there."""
    original, clone = Worded(), Worded(dtype="float16")
    for name, value in (("a", "text"), ("b", print), ("c", 1), ("d", 2)):
        setattr(original, name, value)
    clone.c = 1
    _carry_attributes(original, clone)
    assert clone.d == 2
    assert not hasattr(clone, "a") and not hasattr(clone, "b")


def test_what_keras_keeps_is_not_the_layers_own():
    original, clone = Worded(name="original"), Worded(name="clone")
    original.trainable, original._self_made = False, 1
    _carry_attributes(original, clone)
    assert clone.name == "clone" and clone.trainable
    assert not hasattr(clone, "_self_made")
