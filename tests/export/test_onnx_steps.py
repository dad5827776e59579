import keras
import numpy as np
import onnx
import pytest
from keras import layers

from kerastl.export import load
from kerastl.export.onnx_steps import quantize_onnx
from kerastl.export.to_onnx import to_onnx


def images(count=8):
    generator = np.random.default_rng(0)
    return generator.uniform(0, 255, (count, 8, 8, 3)).astype("float32")


@pytest.fixture
def model():
    """Begins as EfficientNet does."""
    inputs = keras.Input((8, 8, 3))
    x = layers.Rescaling(1 / 255)(inputs)
    x = layers.Normalization(mean=[0.5] * 3, variance=[0.05] * 3)(x)
    x = layers.Conv2D(4, 3, name="conv")(x)
    x = layers.ReLU(name="relu")(x)
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(3, activation="softmax")(x))


@pytest.mark.parametrize(
    "scheme",
    ["float32", pytest.param("int8", marks=pytest.mark.exact_onnx_int8)],
)
def test_a_normalization_adds_no_inputs(scheme, model, tmp_path):
    path = tmp_path / "model.onnx"
    to_onnx(model, path, scheme, calibration=images(50))
    assert [each.name for each in onnx.load(path).graph.input] == ["image"]
    np.testing.assert_allclose(
        load(path).predict(images()), model(images()), atol=0.02
    )


def test_an_operator_in_float_takes_along_what_it_is_merged_with(
    model, tmp_path
):
    source, path = tmp_path / "float.onnx", tmp_path / "mixed.onnx"
    to_onnx(model, source, "float32")
    nodes = {node.op_type: node for node in onnx.load(source).graph.node}
    quantize_onnx(source, path, images(), in_float=nodes["Relu"].output)
    graph = onnx.load(path).graph
    [conv] = [node for node in graph.node if node.op_type == "Conv"]
    weights = {each.name: each for each in graph.initializer}[conv.input[1]]
    assert weights.data_type == onnx.TensorProto.FLOAT
    [relu] = [node for node in graph.node if node.op_type == "Relu"]
    assert list(relu.input) == list(conv.output)
