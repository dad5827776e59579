import keras
import pytest
from keras import layers

from kerastl.layers import GaussianSmoothing2D
from kerastl.surgery import add_curriculum_smoothing
from kerastl.surgery.graph import walk


def test_filters_go_between_convolution_and_normalization(small_cnn):
    model = add_curriculum_smoothing(small_cnn(), sigma=0.8)
    calls = list(walk(model))
    producers = {id(t): n for _, n in calls for t in n.outputs}
    places = {}
    for graph, node in calls:
        if isinstance(node.operation, GaussianSmoothing2D):
            assert float(node.operation.sigma) == pytest.approx(0.8)
            (reader,) = graph.readers(node.outputs[0])
            front = producers[id(node.inputs[0])].operation.name
            places[front] = reader.operation.name
    # Not behind the 1x1 shortcut.
    assert places == {"stem": "stem_bn", "dw": "max"}


def test_a_shared_convolution_has_one_filter(images):
    inputs = keras.Input((8, 8, 3))
    convolution = layers.Conv2D(3, 3, padding="same", name="shared")
    outputs = convolution(convolution(inputs))
    model = add_curriculum_smoothing(keras.Model(inputs, outputs))
    names = [layer.name for layer in model.layers]
    assert names.count("shared_smoothing") == 1


def test_errors(chain):
    with pytest.raises(ValueError, match="the model has none"):
        add_curriculum_smoothing(chain(layers.Conv2D(4, 5)))
    with pytest.raises(ValueError, match="sigma=0"):
        add_curriculum_smoothing(chain(layers.Conv2D(4, 3)), sigma=0)
