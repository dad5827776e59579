import keras
import pytest
from keras import layers

from kerastl.surgery.graph import read_graph
from kerastl.surgery.graph import walk


def _names(nodes):
    return [(node.path, node.call_index) for node in nodes]


@pytest.mark.parametrize("late_input_first", [False, True])
def test_calls_beside_an_input_that_joins_late(late_input_first):
    image, extra = keras.Input((4,), name="image"), keras.Input((3,))
    x = layers.Dense(3, name="second")(layers.Dense(5, name="first")(image))
    joined = [extra, x] if late_input_first else [x, extra]
    model = keras.Model([image, extra], layers.Add(name="add")(joined))
    nodes = read_graph(model).nodes
    assert _names(nodes) == [("first", 0), ("second", 0), ("add", 0)]


def test_calls_are_numbered_and_nested_ones_entered_at_each():
    inputs = keras.Input((4,))
    dense = layers.Dense(4, name="dense")
    inner = keras.Model(inputs, dense(dense(inputs)), name="inner")
    inputs = keras.Input((4,))
    outputs = layers.ReLU(name="relu")(inner(inner(inputs)))
    model = keras.Model(inputs, outputs)
    assert _names(read_graph(model).nodes) == [
        ("inner", 0),
        ("inner", 1),
        ("relu", 0),
    ]
    twice = [("inner/dense", 0), ("inner/dense", 1)]
    calls = _names(node for _, node in walk(model))
    assert calls == [*twice, *twice, ("relu", 0)]


def test_a_model_without_a_graph_is_refused():
    with pytest.raises(ValueError, match="no input shape yet"):
        read_graph(keras.Sequential([layers.Dense(2)]))
