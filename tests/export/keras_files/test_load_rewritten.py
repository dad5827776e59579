"""Weights of a network that was rewritten, into the one it came from."""

import numpy as np
import pytest

import kerastl
from kerastl import apps

SHAPE = (32, 32, 3)


@pytest.mark.parametrize("place", ["kernel", "after"])
def test_an_anti_aliased_networks_weights_are_taken(place, tmp_path):
    original = apps.ResNet8(weights=None, input_shape=SHAPE, classes=3)
    blurred = kerastl.antialias(original, kernel_size=3, place=place)
    blurred.save(tmp_path / "model.keras")
    found = apps.ResNet8(
        weights=tmp_path / "model.keras", input_shape=SHAPE, classes=3
    )
    assert len(found.weights) == len(original.weights)
    for one, other in zip(found.weights, original.weights, strict=True):
        np.testing.assert_array_equal(one, other)
