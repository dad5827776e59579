"""Small files made by hand, read with all that lies between operators."""

import keras
import numpy as np
import onnx
import pytest
from keras import layers
from onnx import helper
from onnx import numpy_helper

from kerastl import export
from kerastl.export.diagnosis.examine import _dequantized
from kerastl.export.diagnosis.examine import read_onnx
from kerastl.export.diagnosis.examine import read_tflite
from kerastl.export.runners.file_graph import Quantization

pytestmark = pytest.mark.tensorflow_only


@pytest.fixture
def qdq(tmp_path):
    """y = relu(round(x)) * w, with weights of a scale a channel."""
    constants = {
        "scale": np.float32(0.5),
        "zero": np.uint8(10),
        "scales": np.float32([1.0, 2.0]),
        "zeros": np.int8([0, 0]),
        "levels": np.int8([3, 4]),
        "signed": np.int8(-3),
    }
    nodes = [
        ("QuantizeLinear", ["x", "scale", "zero"], "q"),
        ("DequantizeLinear", ["q", "scale", "zero"], "d"),
        ("Relu", ["d"], "r"),
        ("QuantizeLinear", ["r", "scale"], "rq"),
        ("DequantizeLinear", ["rq", "scale"], "rd"),
        ("DequantizeLinear", ["levels", "scales", "zeros"], "w"),
        ("Mul", ["rd", "w"], "m"),
        ("QuantizeLinear", ["m", "scale", "signed"], "mq"),
        ("DequantizeLinear", ["mq", "scale", "signed"], "y"),
    ]
    x, y = (
        helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["n", 2])
        for name in "xy"
    )
    graph = helper.make_graph(
        [helper.make_node(kind, read, [write]) for kind, read, write in nodes],
        "g",
        [x],
        [y],
        [numpy_helper.from_array(np.array(v), k) for k, v in constants.items()],
    )
    for node in graph.node:
        if "w" in node.output:
            node.attribute.append(helper.make_attribute("axis", 0))
    imports = [helper.make_opsetid("", 17)]
    path = tmp_path / "a.onnx"
    onnx.save(
        helper.make_model(graph, opset_imports=imports, ir_version=8), path
    )
    return path


def test_an_onnx_file(qdq):
    file = read_onnx(qdq)
    assert (file.source, file.result, file.channels_first) == ("x", "m", True)
    relu, product = file.tensors
    assert (relu.key, relu.value, relu.name, relu.kind) == (
        *("r", "rd", "r"),
        "Relu",
    )
    # Without a zero point levels are unsigned, and stand for zero at zero.
    assert relu.quantization == Quantization(0.5, 0, (0, 255))
    assert product.quantization == Quantization(0.5, -3, (-128, 127))
    assert product.parents == ("r",)
    assert not relu.is_float and not product.is_float
    images = np.float32([[-1.2, 1.3], [500.0, 0.2]])
    for _ in range(2):
        found = file.run(images)
        assert found.keys() == {"r", "m"}
        np.testing.assert_array_equal(found["r"], [[0, 1.5], [122.5, 0]])
        np.testing.assert_array_equal(found["m"], [[0, 12], [65, 0]])


def test_a_tflite_file_of_a_batch_of_two(tmp_path):
    inputs = keras.Input((2, 2, 1))
    x = layers.ReLU(name="relu")(layers.Rescaling(2.0, name="twice")(inputs))
    model = keras.Model(inputs, layers.Flatten()(x - 1.0))
    path = tmp_path / "a.tflite"
    model.export(
        path,
        format="litert",
        verbose=False,
        input_signature=[keras.InputSpec("float32", (2, 2, 2, 1))],
    )
    file = read_tflite(path)
    images = np.random.default_rng(0).normal(size=(5, 2, 2, 1))
    images = images.astype("float32")
    found = file.run(images)
    assert found.keys() == {each.key for each in file.tensors}
    assert all(each.quantization is None for each in file.tensors)
    assert all(each.is_float for each in file.tensors)
    np.testing.assert_allclose(
        found[file.result].reshape(5, 4),
        np.maximum(2 * images, 0).reshape(5, 4) - 1,
        rtol=1e-6,
    )
    assert not file.channels_first


def test_the_integers_of_a_tflite_file(files, images):
    file = read_tflite(files["tflite"])
    by_name = {each.name.rsplit("/")[-1]: each for each in file.tensors}
    quantization = file.tensors[0].quantization
    assert quantization.levels == (-128, 127)
    # TFLite has a square of floats only, which is rounded again.
    assert {each.kind for each in file.tensors if each.is_float} == {"SQUARE"}
    assert len(by_name) > 8
    last = next(each for each in file.tensors if each.key == file.result)
    assert last.quantization == Quantization(1 / 256, -128, (-128, 127))
    found = file.run(images[:3])[file.result]
    # Each value is one of the levels.
    np.testing.assert_array_equal(found * 256, np.rint(found * 256))
    runner = export.load(files["tflite"])
    # The runtime's other kernels round half a level otherwise.
    np.testing.assert_allclose(
        found, runner.classify(images[:3]), atol=1.01 / 256
    )


def test_levels_become_numbers():
    levels = np.int8([-128, 0, 127])
    rounding = Quantization(0.25, -28, (-128, 127))
    found = _dequantized(levels, rounding)
    np.testing.assert_array_equal(found, np.float32([-25, 7, 38.75]))
    assert found.dtype == np.float32
    np.testing.assert_array_equal(_dequantized(levels, None), levels)
