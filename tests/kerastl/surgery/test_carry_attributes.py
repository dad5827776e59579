"""What conformance in `test_carry_state.py` does not tell apart."""

import keras
import pytest

from kerastl.surgery.carry_attributes import carry_attributes


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
    carry_attributes(original, clone)
    assert clone.mode == mode
