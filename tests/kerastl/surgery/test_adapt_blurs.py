import numpy as np
import pytest

import kerastl
from kerastl.layers import AdaptiveBlurPooling2D
from kerastl.layers import BlurPooling2D
from kerastl.surgery import adapt_blurs


def test_every_blur_is_exchanged(small_cnn, make_images, predict, randomise):
    blurred = kerastl.antialias(randomise(small_cnn()))
    model = adapt_blurs(blurred, groups=6)
    backbone = model.get_layer("backbone")
    blurs = [x for x in backbone.layers if isinstance(x, BlurPooling2D)]
    assert len(blurs) == 4
    # The maps have 8 channels, of which 2 is the most that 6 groups share.
    assert all(type(x) is AdaptiveBlurPooling2D for x in blurs)
    assert {x.groups for x in blurs} == {2}
    x = make_images()
    np.testing.assert_allclose(
        predict(model, x), predict(blurred, x), atol=1e-5
    )


def test_eight_groups_are_the_default(small_cnn):
    model = adapt_blurs(kerastl.antialias(small_cnn()))
    blurs = model.get_layer("backbone").layers
    shared = {x.groups for x in blurs if isinstance(x, BlurPooling2D)}
    assert shared == {8}  # all that maps of 8 channels have


def test_errors(small_cnn):
    with pytest.raises(ValueError, match="kerastl.antialias"):
        adapt_blurs(small_cnn())
    with pytest.raises(ValueError, match="softmax='x'"):
        adapt_blurs(kerastl.antialias(small_cnn()), softmax="x")
