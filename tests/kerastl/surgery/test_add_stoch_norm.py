import keras
import numpy as np
import pytest
from keras import layers

import kerastl
from kerastl.layers import StochNorm
from kerastl.surgery import add_stoch_norm


def test_every_normalization_draws_for_itself(small_cnn, make_network):
    model = add_stoch_norm(make_network(), p=0.3, seed=10)
    found = [x for x in model.layers if isinstance(x, StochNorm)]
    assert [x.name for x in found] == [
        "stem_bn",
        "block1_bn",
        "down_bn",
        "block2_bn",
    ]
    assert {x.p for x in found} == {0.3}
    assert len({x.seed for x in found}) == 4
    nested = add_stoch_norm(small_cnn()).get_layer("backbone")
    assert type(nested.get_layer("stem_bn")) is StochNorm


def test_statistics_are_measured_anew_as_without(make_network, images):
    model = make_network()
    changed = add_stoch_norm(model, p=0.5)
    for each in (model, changed):
        kerastl.reestimate_batch_norm(each, images)
    for one, other in zip(model.weights, changed.weights, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, err_msg=one.path)


def test_errors(small_cnn):
    model = keras.Sequential([keras.Input((2,)), layers.Dense(2)])
    with pytest.raises(ValueError, match="the model has none"):
        add_stoch_norm(model)
    with pytest.raises(ValueError, match="p=2"):
        add_stoch_norm(small_cnn(), p=2)
