import keras
import pytest
from keras import layers

from kerastl.surgery import graph as graphs
from kerastl.surgery.blur_placement import blur_place
from kerastl.surgery.blur_placement import check_exclude
from kerastl.surgery.blur_placement import names_of
from kerastl.surgery.downsampling import downsampling


@pytest.fixture
def calls():
    inputs = keras.Input((8, 8, 3))
    inner = keras.Sequential(
        [keras.Input((8, 8, 3)), layers.Conv2D(2, 3, name="conv")], name="body"
    )
    model = keras.Model(inputs, layers.Flatten(name="flat")(inner(inputs)))
    return list(graphs.walk(model))


def test_layers_by_path_by_name_and_models_that_hold_them(calls):
    assert {"body", "conv", "flat"} <= names_of(calls)
    names = ["body/conv", "body", "flat"]
    assert check_exclude(names, calls) == set(names)
    assert check_exclude("conv", calls) == {"conv"}
    assert check_exclude((), calls) == set()


def test_a_layer_that_is_not_there_is_named_with_the_nearest(calls):
    with pytest.raises(ValueError, match="'conv'.*with 'cnv'"):
        check_exclude(["flat", "cnv"], calls)


def place_of(outputs):
    """The place of the blur of `conv`, in the model from one input."""
    ends = outputs if isinstance(outputs, list) else [outputs]
    model = keras.Model(find_input(ends[0]), outputs)
    graph = graphs.read_graph(model, "")
    calls = {node.operation.name: node for node in graph.nodes}
    node = calls["conv"]
    place, non_linear = blur_place(graph, node, downsampling(node.operation))
    return place.operation.name, non_linear


def find_input(tensor):
    return keras.utils.get_source_inputs(tensor)[0]


@pytest.fixture
def strided():
    inputs = keras.Input((8, 8, 3))
    return layers.Conv2D(2, 3, strides=2, name="conv")(inputs)


def test_the_last_activation_of_the_chain(strided):
    x = layers.BatchNormalization(name="norm")(strided)
    x = layers.ReLU(name="one")(x)
    x = layers.ReLU(name="two")(layers.Rescaling(2.0, name="scale")(x))
    assert place_of(layers.Conv2D(2, 3, name="next")(x)) == ("two", True)
    assert place_of(layers.Rescaling(2.0)(strided)) == ("conv", False)


def test_not_behind_a_branch(strided):
    x = layers.ReLU(name="one")(strided)
    two = [layers.ReLU(name="a")(x), layers.ReLU(name="b")(x)]
    assert place_of(layers.Add()(two)) == ("one", True)
    two = [layers.ReLU(name="c")(strided), layers.ReLU(name="d")(strided)]
    assert place_of(layers.Add()(two)) == ("conv", False)


def test_not_behind_an_output_that_is_also_read(strided):
    x = layers.ReLU(name="one")(strided)
    assert place_of([x, layers.ReLU(name="two")(x)]) == ("one", True)
    assert place_of([strided, layers.ReLU(name="a")(strided)]) == (
        "conv",
        False,
    )
