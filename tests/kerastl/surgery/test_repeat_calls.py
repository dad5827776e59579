import keras
import numpy as np
import pytest
from keras import layers
from keras import ops

from kerastl.surgery import open_nested
from kerastl.surgery import split_at
from kerastl.surgery.graph import is_graph
from kerastl.surgery.graph import read_graph
from kerastl.surgery.repeat_calls import repeat_calls


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
    repeat_calls(graph.nodes, tensors, **kwargs)
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
    repeat_calls(read_graph(keras.Model([first, second], total)).nodes, tensors)
    model = keras.Model([other, second], tensors[id(total)])
    ones = np.ones((1, 4), "float32")
    np.testing.assert_array_equal(model([3 * ones, ones]), 2 * ones)


def test_same_outputs_without_nested_models(
    small_cnn, randomise, make_images, predict
):
    model = randomise(small_cnn())
    images = make_images()
    flat = open_nested(model)
    assert flat.name == model.name
    assert open_nested(model, name="flat").name == "flat"
    assert not any(is_graph(layer) for layer in flat.layers)
    assert {"stem", "dw", "head"} <= {layer.name for layer in flat.layers}
    np.testing.assert_allclose(
        predict(flat, images), predict(model, images), atol=1e-6
    )
    kernel = flat.get_layer("stem").kernel
    kernel.assign(0 * kernel)
    assert np.abs(model.get_layer("backbone").get_layer("stem").kernel).max()


@pytest.mark.parametrize("training", [True, False, None])
def test_modes_are_those_of_the_nested_call(make_images, training):
    inputs = keras.Input((8, 8, 3))
    x = layers.BatchNormalization(name="norm")(inputs)
    inner = keras.Model(inputs, x, name="inner")
    inputs = keras.Input((8, 8, 3))
    fixed = keras.Model(inputs, inner(inputs, training=False))
    images = make_images(size=8)
    np.testing.assert_allclose(
        open_nested(fixed)(images, training=training),
        fixed(images, training=training),
        rtol=1e-5,
    )


def test_equal_names_are_told_apart(predict):
    def block(name):
        inputs = keras.Input((4,))
        return keras.Model(
            inputs, layers.Dense(4, name="dense")(inputs), name=name
        )

    inputs = keras.Input((4,))
    model = keras.Model(inputs, block("b")(block("a")(inputs)))
    flat = open_nested(model)
    assert [layer.name for layer in flat.layers[1:]] == ["dense", "b_dense"]
    x = np.random.default_rng(0).normal(size=(3, 4))
    np.testing.assert_allclose(predict(flat, x), predict(model, x), atol=1e-6)


def test_a_model_called_twice_stays_shared():
    inputs = keras.Input((4,))
    inner = keras.Model(inputs, layers.Dense(4, name="dense")(inputs))
    inputs = keras.Input((4,))
    model = keras.Model(inputs, inner(inner(inputs)))
    assert len(open_nested(model).weights) == 2


def test_a_subclassed_model_is_refused():
    class Mine(keras.Model):
        def call(self, x):
            return x

    with pytest.raises(ValueError, match="Only functional and sequential"):
        open_nested(Mine())


@pytest.mark.parametrize("position", range(12))
def test_the_parts_make_the_whole(make_network, images, position):
    """At every tensor, shortcuts around it included."""
    network = make_network()
    nodes = read_graph(network).nodes
    node = nodes[position * len(nodes) // 12]
    front, behind = split_at(network, node.outputs[0])
    between = front(images, training=False)
    np.testing.assert_allclose(
        behind(between, training=False),
        network(images, training=False),
        atol=1e-6,
    )
    # Only within a block is there a way around.
    inside = node.operation.name in (
        "block1_conv",
        "block1_bn",
        "block2_conv",
        "block2_bn",
    )
    assert len(keras.tree.flatten(between)) == 1 + inside
    names = {each.operation.name for each in read_graph(behind).nodes}
    assert node.operation.name not in names
