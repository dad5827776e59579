import keras
import pytest
from keras import layers

from kerastl.surgery import graph as graphs
from kerastl.surgery.blur_placement import check_exclude
from kerastl.surgery.blur_placement import names_of


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
