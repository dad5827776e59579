import keras
import numpy as np
import pytest
from keras import layers
from keras import ops

from kerastl.surgery.graph import read_graph
from kerastl.surgery.replay import replay


def _nested():
    """A model in a model in a model, each with two inputs and outputs."""
    first, second = keras.Input((4,)), keras.Input((4,))
    inner = keras.Model(
        [first, second],
        [
            layers.Subtract(name="difference")([first, second]),
            layers.Dense(4, name="dense")(second),
        ],
        name="inner",
    )
    first, second = keras.Input((4,)), keras.Input((4,))
    outer = keras.Model(
        [first, second],
        inner([second, layers.Rescaling(2.0, name="twice")(first)]),
        name="outer",
    )
    inputs = [keras.Input((4,), name="a"), keras.Input((4,), name="b")]
    difference, dense = outer(inputs)
    outputs = [ops.add(x1=difference, x2=dense), dense]
    return keras.Model(inputs, outputs)


def _replayed(model, **kwargs):
    graph = read_graph(model)
    inputs = [keras.Input((4,)), keras.Input((4,))]
    tensors = dict(zip(map(id, graph.inputs), inputs, strict=True))
    replay(graph.nodes, tensors, **kwargs)
    return keras.Model(inputs, [tensors[id(t)] for t in graph.outputs])


@pytest.mark.parametrize(
    "kwargs, names",
    [
        ({}, {"outer"}),
        ({"open_nested": False}, {"outer"}),
        ({"open_nested": True}, {"difference", "twice", "dense"}),
    ],
)
def test_the_same_calls_on_other_tensors(kwargs, names):
    model = _nested()
    again = _replayed(model, **kwargs)
    called = {node.operation.name for node in read_graph(again).nodes}
    assert {name for name in called if not name.startswith("add")} == names
    generator = np.random.default_rng(0)
    data = [generator.normal(size=(3, 4)).astype("float32") for _ in range(2)]
    for found, expected in zip(again(data), model(data), strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-6)
    # The layers are the same ones.
    assert {id(v) for v in again.weights} == {id(v) for v in model.weights}


def test_what_is_not_replaced_stays():
    """A tensor that no other takes the place of is read as it is."""
    first, second = keras.Input((4,)), keras.Input((4,))
    total = layers.Subtract()([first, second])
    other = keras.Input((4,))
    tensors = {id(first): other}
    replay(read_graph(keras.Model([first, second], total)).nodes, tensors)
    model = keras.Model([other, second], tensors[id(total)])
    ones = np.ones((1, 4), "float32")
    np.testing.assert_array_equal(model([3 * ones, ones]), 2 * ones)
