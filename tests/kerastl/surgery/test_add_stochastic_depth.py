import keras
import numpy as np
import pytest
from keras import layers
from keras import ops

from kerastl.layers import StochasticDepth
from kerastl.surgery import add_stochastic_depth
from kerastl.surgery.graph import read_graph


def make_blocks(operation=False):
    """Three blocks: shortcuts that are plain, projected, and second."""
    inputs = keras.Input((8, 8, 4))
    x = inputs
    for i in range(3):
        shortcut = x
        if i == 1:
            shortcut = layers.Conv2D(4, 1, name=f"project{i}")(x)
        y = layers.Conv2D(4, 3, padding="same", name=f"a{i}")(x)
        y = layers.BatchNormalization(name=f"bn{i}")(y)
        y = layers.Conv2D(4, 3, padding="same", name=f"b{i}")(y)
        pair = [y, shortcut] if i == 2 else [shortcut, y]
        x = ops.add(*pair) if operation else layers.Add(name=f"sum{i}")(pair)
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(2)(x))


def _read_by(model):
    """The layer in front of each StochasticDepth."""
    graph = read_graph(model)
    producers = {id(t): node for node in graph.nodes for t in node.outputs}
    return [
        producers[id(node.inputs[0])].operation.name
        for node in graph.nodes
        if isinstance(node.operation, StochasticDepth)
    ]


@pytest.mark.parametrize("operation", [False, True])
def test_branches_are_found_and_survive_on_a_line(operation):
    model = add_stochastic_depth(make_blocks(operation), survival=0.4)
    assert _read_by(model) == ["b0", "b1", "b2"]
    depths = [x for x in model.layers if isinstance(x, StochasticDepth)]
    np.testing.assert_allclose([x.survival for x in depths], [0.8, 0.6, 0.4])
    if not operation:
        assert depths[0].name == "sum0_stochastic_depth"


def test_a_dropped_block_is_its_shortcut():
    model = make_blocks()
    changed = add_stochastic_depth(model, survival=1e-6, seed=0)
    for layer in changed.layers:
        if isinstance(layer, StochasticDepth):
            layer.survival = 1e-9
    x = np.random.default_rng(0).normal(size=(2, 8, 8, 4)).astype("f4")
    expected = model.layers[-1](
        ops.mean(model.get_layer("project1")(x), axis=(1, 2))
    )
    np.testing.assert_allclose(changed(x, training=True), expected, atol=1e-5)


def test_nested_networks():
    inner = make_blocks()
    inputs = keras.Input((8, 8, 4))
    model = add_stochastic_depth(keras.Model(inputs, inner(inputs)))
    assert len(_read_by(model.layers[1])) == 3


def test_errors():
    chain = keras.Sequential([keras.Input((4, 4, 1)), layers.Conv2D(2, 3)])
    with pytest.raises(ValueError, match="no sum of a branch and a shortcut"):
        add_stochastic_depth(chain)
    with pytest.raises(ValueError, match="survival=0"):
        add_stochastic_depth(make_blocks(), survival=0)
    # Two equal arms are no residual block.
    inputs = keras.Input((4, 4, 1))
    arms = [layers.Conv2D(2, 3)(inputs) for _ in range(2)]
    with pytest.raises(ValueError, match="no sum"):
        add_stochastic_depth(keras.Model(inputs, layers.Add()(arms)))
