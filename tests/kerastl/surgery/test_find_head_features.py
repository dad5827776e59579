"""Ends of networks that look like classifiers and are none."""

import keras
import pytest
from keras import layers

from kerastl.surgery import find_head


@pytest.mark.parametrize("shape", [(1, 3), (3, 1), (2, 2)])
def test_scores_of_several_pixels_are_features(shape):
    network = keras.Sequential(
        [
            keras.Input((*shape, 4)),
            layers.Conv2D(2, 1, name="convolution"),
            layers.Flatten(name="flat"),
        ]
    )
    assert find_head(network) == (None, "flat")
