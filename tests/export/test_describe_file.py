import numpy as np
import onnx
import pytest
from onnx import helper
from onnx import numpy_helper

import kerastl
from kerastl.export import to_onnx
from kerastl.export import to_tflite
from kerastl.export.describe_file import describe_file

pytestmark = pytest.mark.tensorflow_only


@pytest.mark.parametrize(
    "scheme", ["float32", "float16", "dynamic", "int8", "int16x8"]
)
def test_tflite_files(cnn, calibration, tmp_path, scheme):
    to_tflite(
        cnn,
        tmp_path / "a.tflite",
        scheme,
        calibration=calibration,
        refine="none",
    )
    assert describe_file(tmp_path / "a.tflite") == {
        "multiply_adds": kerastl.count_multiply_adds(cnn),
        "precision": scheme,
    }


@pytest.mark.parametrize("scheme", ["float32", "int8"])
def test_onnx_files(cnn, calibration, tmp_path, scheme):
    to_onnx(
        cnn,
        tmp_path / "a.onnx",
        scheme,
        calibration=calibration,
        refine="none",
    )
    assert describe_file(tmp_path / "a.onnx") == {
        "multiply_adds": kerastl.count_multiply_adds(cnn),
        "precision": scheme,
    }


def test_keras_files(cnn, tmp_path):
    cnn.save(tmp_path / "a.keras")
    assert describe_file(tmp_path / "a.keras") == {
        "multiply_adds": kerastl.count_multiply_adds(cnn),
        "precision": "float32",
    }


def file_of(path, kind, shape, output, kernel, **attributes):
    """An .onnx file of one operator with a constant kernel."""
    ends = [
        helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, sizes)
        for name, sizes in (("x", shape), ("y", output))
    ]
    node = helper.make_node(kind, ["x", "k"], ["y"], **attributes)
    constant = numpy_helper.from_array(np.zeros(kernel, "float32"), "k")
    graph = helper.make_graph([node], "g", ends[:1], ends[1:], [constant])
    imports = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=imports), path)


@pytest.mark.parametrize(
    "kind, shape, output, kernel, attributes, count",
    [
        # Each of 4 x 5 x 5 outputs reads 3 x 3 pixels of 2 channels.
        ("Conv", ("n", 2, 7, 7), ("n", 4, 5, 5), (4, 2, 3, 3), {}, 1800),
        (
            "Conv",
            ("n", 6, 7, 7),
            ("n", 6, 5, 5),
            (6, 1, 3, 3),
            {"group": 6},
            1350,
        ),
        # Each of 2 x 5 x 5 inputs is added to 3 x 3 pixels of 4 channels.
        (
            "ConvTranspose",
            ("n", 2, 5, 5),
            ("n", 4, 7, 7),
            (2, 4, 3, 3),
            {},
            1800,
        ),
        ("MatMul", ("n", 7), ("n", 3), (7, 3), {}, 21),
        ("MatMul", ("n", 5, 7), ("n", 5, 3), (7, 3), {}, 105),
        ("Gemm", ("n", 7), ("n", 3), (7, 3), {}, 21),
        ("Gemm", ("n", 7), ("n", 3), (3, 7), {"transB": 1}, 21),
        ("Gemm", ("n", 7), ("n", 3), (7, 3), {"transB": 0, "alpha": 2.0}, 21),
        ("MatMul", ("n", "m", 7), ("n", "m", 3), (7, 3), {}, None),
    ],
)
def test_products_in_onnx_files(
    tmp_path, kind, shape, output, kernel, attributes, count
):
    path = tmp_path / "a.onnx"
    file_of(path, kind, shape, output, kernel, **attributes)
    assert describe_file(path) == {
        "multiply_adds": count,
        "precision": "float32",
    }
