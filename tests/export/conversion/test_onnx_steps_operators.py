"""Operators that the exporter lacks, in a file and where none can be."""

import keras
import numpy as np
import onnx
import pytest
from keras import layers
from onnx import helper

from kerastl.export import load
from kerastl.export import to_onnx
from kerastl.export.conversion.onnx_steps import require_operators

pytestmark = pytest.mark.tensorflow_only


def test_gelu_celu_and_log1p_are_written_in_operators_of_onnx(tmp_path):
    inputs = keras.Input((6, 1, 3))
    x = layers.Activation("gelu")(inputs)
    x = layers.Concatenate()(
        [x, layers.Activation("celu")(inputs), keras.ops.log1p(inputs + 2)]
    )
    model = keras.Model(inputs, layers.Flatten()(x))
    report = to_onnx(model, tmp_path / "a.onnx", "float32")
    assert {"Erf", "Exp", "Log", "Sub", "Add"} <= report.ops.keys()
    images = np.random.default_rng(0).uniform(-2, 2, (5, 6, 1, 3))
    images = images.astype("float32")
    np.testing.assert_allclose(
        load(tmp_path / "a.onnx").predict(images), model(images), atol=1e-6
    )


def file_of(path, *operators, opset=17):
    """A chain of operators, each with its name and domain."""
    nodes = [
        helper.make_node(kind, [f"t{i}"], [f"t{i + 1}"], name, domain=domain)
        for i, (kind, name, domain) in enumerate(operators)
    ]
    ends = [
        helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1])
        for name in ("t0", f"t{len(nodes)}")
    ]
    graph = helper.make_graph(nodes, "g", ends[:1], ends[1:])
    imports = [
        helper.make_opsetid("com.microsoft", 1),
        helper.make_opsetid("", opset),
    ]
    onnx.save(helper.make_model(graph, opset_imports=imports), path)


@pytest.fixture
def model():
    inputs = keras.Input((4,))
    x = layers.Dense(2, name="first")(inputs)
    return keras.Model(inputs, layers.Dense(2, name="second")(x), name="net")


def test_operators_of_onnx_and_of_its_runtimes_are_known(tmp_path, model):
    path = tmp_path / "a.onnx"
    file_of(
        path,
        ("Relu", "net/first/Relu", ""),
        ("Erf", "net/second/Erf", ""),
        ("Gelu", "net/first/Gelu", "com.microsoft"),
        ("Unknown", "net/first/Unknown", "of.a.runtime"),
    )
    require_operators(path, model)


def test_operators_that_onnx_lacks_are_named_with_their_layers(tmp_path, model):
    path = tmp_path / "a.onnx"
    file_of(
        path,
        ("Lgamma", "net/second/Lgamma", ""),
        ("Digamma", "net/second/Digamma", ""),
        ("Relu", "net/first/Relu", ""),
    )
    with pytest.raises(
        ValueError,
        match=r"not have: Digamma, Lgamma \(made by: second\).*model='net'",
    ):
        require_operators(path, model)
    # What a later set of operators has is none of this one.
    file_of(path, ("Gelu", "net/first/Gelu", ""), opset=19)
    with pytest.raises(ValueError, match=r"Gelu \(made by: first\)"):
        require_operators(path, model)
    file_of(path, ("Gelu", "net/first/Gelu", ""), opset=20)
    require_operators(path, model)


def test_where_no_layer_is_known_five_scopes_are(tmp_path, model):
    path = tmp_path / "a.onnx"
    file_of(path, *(("Lgamma", f"n{i}", "") for i in range(7)))
    with pytest.raises(ValueError, match=r"made by: n0, n1, n2, n3, n4\)"):
        require_operators(path, model)
