import keras
import pytest
from keras import layers

from kerastl.surgery import layer_groups


def _names(groups):
    return [[layer.name for layer in group] for group in groups]


def test_stages_and_head(small_cnn, chain):
    groups = _names(layer_groups(small_cnn()))
    assert groups[-1] == ["head"] and groups[0][0] == "stem"
    assert sorted(sum(groups, [])) == sorted(
        ["stem", "stem_bn", "shortcut", "dw", "head"]
    )
    flat = chain(layers.Conv2D(2, 3, name="a"), layers.Flatten())
    assert _names(layer_groups(flat)) == [["a"]]


def test_every_layer_is_in_one_group():
    model = keras.applications.MobileNetV2(
        weights=None, alpha=0.35, input_shape=(32, 32, 3), classes=3
    )
    groups = layer_groups(model)
    flat = [layer for group in groups for layer in group]
    assert sorted(x.name for x in flat) == sorted(
        layer.name for layer in model.layers if layer.weights
    )
    names = _names(groups)
    assert names[-1] == ["predictions"]
    assert names[0][0] == "Conv1" and names[-2][-1] == "Conv_1_bn"
    assert len(names) == 6


def test_own_ends(chain):
    model = chain(
        layers.Conv2D(2, 3, name="a"),
        layers.ReLU(name="a_relu"),
        layers.Conv2D(2, 3, name="b"),
        layers.Conv2D(2, 3, name="c"),
        layers.GlobalAveragePooling2D(),
        layers.Dense(2, activation="softmax", name="head"),
    )
    groups = layer_groups(model, ends=["a_relu", "b"])
    assert _names(groups) == [["a"], ["b"], ["c"], ["head"]]
    with pytest.raises(ValueError, match="ends=\\['x'\\]"):
        layer_groups(model, ends=["x"])
    with pytest.raises(ValueError, match="no layer with weights"):
        layer_groups(chain(layers.ReLU()))
