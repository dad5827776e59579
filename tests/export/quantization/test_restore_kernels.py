"""Float constants of a small graph, put back as levels."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto
from onnx import helper
from onnx import numpy_helper

from kerastl.export.quantization.fixed_layers import FixedKernel
from kerastl.export.quantization.restore_kernels import _levels
from kerastl.export.quantization.restore_kernels import restore_kernels

pytestmark = pytest.mark.tensorflow_only

LEVELS = np.array([[127, -5, 3], [64, 127, -127]], "int8")
SCALES = np.array([0.01, 0.2])
INPUT_SCALE = 0.5
BIAS_LEVELS = np.array([70, -3], "int32")


def write_graph(path, bias):
    """A rounded map, and a 1x1 convolution from three channels to two."""
    kernel = (LEVELS * SCALES[:, None]).reshape(2, 3, 1, 1)
    constants = {
        "scale": np.float32(INPUT_SCALE),
        "zero": np.int8(0),
        "kernel": kernel.astype("float32"),
    }
    if bias:
        values = BIAS_LEVELS * SCALES * INPUT_SCALE
        constants["bias"] = values.astype("float32")
    node = helper.make_node
    nodes = [
        node("QuantizeLinear", ["image", "scale", "zero"], ["levels"]),
        node("DequantizeLinear", ["levels", "scale", "zero"], ["rounded"]),
        node("Relu", ["rounded"], ["positive"]),
        node("Conv", ["positive", "kernel", *["bias"] * bias], ["output"]),
    ]
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "graph",
        [value("image", TensorProto.FLOAT, [1, 3, 4, 4])],
        [value("output", TensorProto.FLOAT, [1, 2, 4, 4])],
        [numpy_helper.from_array(v, name) for name, v in constants.items()],
    )
    onnx.save(helper.make_model(graph), path)


def fixed_kernel(levels):
    kernel = (levels * SCALES[:, None]).T.reshape(1, 1, 3, 2)
    return FixedKernel("conv", kernel, SCALES, name="conv")


@pytest.mark.parametrize("bias", [True, False])
def test_kernel_and_bias_come_back_as_levels(tmp_path, bias):
    write_graph(tmp_path / "float.onnx", bias)
    restore_kernels(
        tmp_path / "float.onnx", tmp_path / "int8.onnx", [fixed_kernel(LEVELS)]
    )
    graph = onnx.load(tmp_path / "int8.onnx").graph
    constants = {
        each.name: numpy_helper.to_array(each) for each in graph.initializer
    }
    assert "kernel" not in constants and "bias" not in constants
    sources = {node.output[0]: node for node in graph.node}
    [conv] = [node for node in graph.node if node.op_type == "Conv"]
    assert len(conv.input) == 2 + bias
    found = [
        [constants[name] for name in sources[each].input]
        for each in conv.input[1:]
    ]
    np.testing.assert_array_equal(found[0][0].reshape(2, 3), LEVELS)
    np.testing.assert_allclose(found[0][1], SCALES, rtol=1e-6)
    assert found[0][0].dtype == "int8"
    if bias:
        np.testing.assert_array_equal(found[1][0], BIAS_LEVELS)
        np.testing.assert_allclose(found[1][1], SCALES / 2, rtol=1e-6)
        assert found[1][0].dtype == "int32"


def test_a_kernel_that_is_not_there_is_named(tmp_path):
    write_graph(tmp_path / "float.onnx", bias=True)
    other = fixed_kernel(LEVELS[:, ::-1])
    with pytest.raises(RuntimeError, match="please report.*layers conv"):
        restore_kernels(
            tmp_path / "float.onnx", tmp_path / "int8.onnx", [other]
        )


def conv(kind="Conv"):
    return helper.make_node(kind, ["x", "kernel"], ["y"])


@pytest.mark.parametrize("kind", ["conv", "depthwise", "dense"])
def test_every_kind_of_kernel_lies_as_onnx_has_it(kind):
    generator = np.random.default_rng(0)
    shape = {"conv": (2, 3, 4, 5), "depthwise": (2, 3, 4, 2), "dense": (4, 5)}
    kernel = generator.integers(-127, 128, shape[kind]).astype("float64")
    outputs = 8 if kind == "depthwise" else 5
    scales = generator.uniform(0.1, 1, outputs) if kind != "dense" else 0.3
    if kind == "depthwise":
        float_kernel = (kernel.reshape(2, 3, 8) * scales).reshape(kernel.shape)
        expected = kernel.reshape(2, 3, 1, 8).transpose(3, 2, 0, 1)
    else:
        float_kernel = kernel * scales
        expected = kernel.transpose(3, 2, 0, 1) if kind == "conv" else kernel
    fixed = FixedKernel(kind, float_kernel, np.asarray(scales))
    along = np.reshape(scales, (-1, 1, 1, 1)) if kind != "dense" else scales
    written = (expected * along).astype("float32")
    node = conv("MatMul" if kind == "dense" else "Conv")
    levels, axis = _levels(node, written, fixed)
    np.testing.assert_array_equal(levels, expected)
    assert levels.dtype == np.int8 and axis == (1 if kind == "dense" else 0)
    # Another operator, another shape.
    other = conv("Conv" if kind == "dense" else "MatMul")
    assert _levels(other, written, fixed) == (None, None)
    assert _levels(node, written[:-1], fixed) == (None, None)


@pytest.mark.parametrize(
    "written, found",
    [
        ([3.0, -5.0], True),
        # Off its level by a fiftieth of a step.
        ([3.019, -5.0], True),
        ([3.021, -5.0], False),
        # Off the kernel by half a step, and no more.
        ([4.0, -5.0], False),
        ([3.0, -4.0], False),
    ],
)
def test_how_far_a_constant_may_be_off(written, found):
    fixed = FixedKernel("dense", np.array([[3.0], [-5.0]]), np.array(1.0))
    levels, _ = _levels(conv("MatMul"), np.reshape(written, (2, 1)), fixed)
    assert (levels is not None) == found


@pytest.mark.parametrize("level, found", [(127.0, True), (128.0, False)])
def test_levels_have_seven_bits_and_a_sign(level, found):
    fixed = FixedKernel("dense", np.array([[level]]), np.array(1.0))
    levels, _ = _levels(conv("MatMul"), np.array([[level]]), fixed)
    assert (levels is not None) == found
