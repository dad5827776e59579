"""Blurs of graphs made by hand, and what is left alone."""

import numpy as np
import onnx
import pytest
from onnx import helper
from onnx import numpy_helper

from kerastl.export.quantization.exact_blurs import exact_onnx_blurs

ROUNDED = np.int8([[32, 64, 32], [64, 127, 64], [32, 64, 32]])
EXACT = 31 * np.int64([[1, 2, 1], [2, 4, 2], [1, 2, 1]])


def graph(levels, scales, bias=None, bias_scales=None, kind="Conv"):
    constants = {"levels": np.asarray(levels), "scales": np.float32(scales)}
    constants["zero"] = np.zeros(np.shape(scales), constants["levels"].dtype)
    nodes = [
        helper.make_node(
            "DequantizeLinear", ["levels", "scales", "zero"], ["kernel"], axis=0
        )
    ]
    read = ["x", "kernel"]
    if bias is not None:
        constants["bias_levels"] = np.int32(bias)
        constants["bias_scales"] = np.float32(bias_scales)
        nodes.append(
            helper.make_node(
                "DequantizeLinear", ["bias_levels", "bias_scales"], ["bias"]
            )
        )
        read.append("bias")
    nodes.append(helper.make_node(kind, read, ["y"]))
    made = helper.make_graph(
        nodes,
        "g",
        [],
        [],
        [numpy_helper.from_array(v, k) for k, v in constants.items()],
    )
    return helper.make_model(made)


def constants(model):
    return {
        each.name: numpy_helper.to_array(each)
        for each in model.graph.initializer
    }


def test_levels_scales_and_bias_are_changed_together():
    """Two channels, the second of which a normalization made negative."""
    levels = np.stack([ROUNDED, -ROUNDED])[:, None]
    model = graph(levels, [0.5, 2.0], [1000, -300], [0.1, 0.2])
    exact_onnx_blurs(model)
    found = constants(model)
    np.testing.assert_array_equal(
        found["levels"], np.stack([EXACT, -EXACT])[:, None]
    )
    assert found["levels"].dtype == np.int8
    factor = 127 / 124
    np.testing.assert_allclose(
        found["scales"], np.array([0.5, 2.0]) * factor, rtol=1e-6
    )
    np.testing.assert_allclose(
        found["bias_scales"], np.array([0.1, 0.2]) * factor, rtol=1e-6
    )
    # 976.4 and -292.9: what they stand for stays.
    np.testing.assert_array_equal(found["bias_levels"], [976, -293])
    assert found["bias_levels"].dtype == np.int32
    assert found["scales"].dtype == np.float32


def test_without_a_bias():
    model = graph(ROUNDED[None, None], [0.5])
    exact_onnx_blurs(model)
    np.testing.assert_array_equal(constants(model)["levels"], EXACT[None, None])


@pytest.mark.parametrize(
    "arguments",
    [
        # Exact already, another kernel, several inputs a channel, one scale.
        (EXACT.astype("int8")[None, None], [0.5]),
        (np.int8([[[[1, 2, 3], [4, 127, 6], [7, 8, 9]]]]), [0.5]),
        (np.stack([ROUNDED, ROUNDED])[None], [0.5]),
        (ROUNDED[None, None], 0.5),
        (ROUNDED[None, None].astype("uint8"), [0.5]),
    ],
)
def test_what_is_left_alone(arguments):
    model = graph(*arguments)
    before = model.SerializeToString()
    exact_onnx_blurs(model)
    assert model.SerializeToString() == before


def test_other_operators_and_float_kernels_are_left_alone():
    model = graph(ROUNDED[None, None], [0.5], kind="ConvTranspose")
    before = model.SerializeToString()
    exact_onnx_blurs(model)
    assert model.SerializeToString() == before
    model = graph(ROUNDED[None, None], [0.5])
    model.graph.node[0].op_type = "Identity"
    model.graph.node.append(helper.make_node("Conv", ["x", "weights"], ["z"]))
    model.graph.node.append(helper.make_node("Conv", ["x", "kernel"], ["a"]))
    before = model.SerializeToString()
    exact_onnx_blurs(model)
    assert model.SerializeToString() == before
    # A kernel that is computed is none that could be changed.
    model = graph(ROUNDED[None, None], [0.5])
    model.graph.node[0].input[0] = "computed"
    before = model.SerializeToString()
    exact_onnx_blurs(model)
    assert model.SerializeToString() == before
    assert isinstance(model, onnx.ModelProto)
