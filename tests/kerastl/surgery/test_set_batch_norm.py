import keras
import pytest

import kerastl
from kerastl.surgery import set_batch_norm

NAMES = ["stem_bn", "block1_bn", "down_bn", "block2_bn"]


def test_momentum_of_every_layer_however_deep(make_network):
    inner = make_network()
    model = keras.Sequential([keras.Input((16, 16, 3)), inner])
    found = set_batch_norm(model, "train", 0.8)
    assert {layer.name for layer in found} == set(NAMES)
    assert all(layer.momentum == 0.8 for layer in found)
    assert all(layer.trainable for layer in found)


def test_none_keeps_the_momentum(make_network):
    model = make_network()
    set_batch_norm(model, "train", None)
    assert model.get_layer("stem_bn").momentum == 0.999


def test_freeze_stops_statistics_and_scales(make_network):
    model = make_network()
    assert len(model.trainable_variables) == 4 * 3 + 2
    set_batch_norm(model, "freeze")
    assert len(model.trainable_variables) == 4 + 2
    assert kerastl.surgery.copy_model(model).get_layer("stem_bn").trainable


@pytest.mark.parametrize(
    ("policy", "momentum"), [("thaw", 0.9), ("train", 1.0), ("train", -0.1)]
)
def test_errors(make_network, policy, momentum):
    with pytest.raises(ValueError, match="Received"):
        set_batch_norm(make_network(), policy, momentum)
