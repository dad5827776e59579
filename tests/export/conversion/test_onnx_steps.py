import gc

import keras
import numpy as np
import onnx
import onnxruntime
import pytest
from keras import layers
from onnx import helper
from onnx import numpy_helper

from kerastl.export import load
from kerastl.export.conversion.onnx_steps import _writers
from kerastl.export.conversion.onnx_steps import export_onnx
from kerastl.export.conversion.onnx_steps import quantize_onnx
from kerastl.export.conversion.onnx_steps import tidy_onnx
from kerastl.export.runners.inference_model import lower
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


def test_no_copies_of_the_graph_stay_in_memory(cnn, tmp_path):
    from tf2onnx.graph import Graph

    gc.disable()  # it might come by at the right moment
    try:
        export_onnx(lower(cnn), "probabilities", 17, tmp_path / "a.onnx")
        left = [each for each in gc.get_objects() if isinstance(each, Graph)]
    finally:
        gc.enable()
    assert not left


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


@pytest.fixture
def chain(tmp_path):
    """x -> conv a -> Clip -> conv b -> Relu -> sum of both -> y."""
    nodes = [
        ("Conv", ["x", "k"], "a"),
        ("Clip", ["a", "low", "high"], "c"),
        ("Conv", ["c", "k"], "b"),
        ("Relu", ["b"], "r"),
        ("Add", ["r", "c"], "y"),
    ]
    constants = {
        "k": np.full((2, 2, 1, 1), 0.5, "float32"),
        "low": np.float32(0),
        "high": np.float32(6),
    }
    x, y, inner = (
        helper.make_tensor_value_info(
            name, onnx.TensorProto.FLOAT, ["unk__1", 2, 3, 3]
        )
        for name in ("x", "y", "a")
    )
    graph = helper.make_graph(
        [helper.make_node(k, i, [o], f"n_{o}") for k, i, o in nodes],
        "g",
        [x],
        [y],
        [numpy_helper.from_array(v, k) for k, v in constants.items()],
        value_info=[inner],
    )
    imports = [helper.make_opsetid("", 17), helper.make_opsetid("other", 1)]
    model = helper.make_model(graph, opset_imports=imports, ir_version=8)
    model.metadata_props.add(key="of", value="the exporter")
    path = tmp_path / "a.onnx"
    onnx.save(model, path)
    return path


@pytest.mark.parametrize(
    "tensors, nodes",
    [
        ((), ["n_y"]),
        (("r",), ["n_b", "n_r", "n_y"]),
        (("c",), ["n_a", "n_c", "n_y"]),
        (("b",), ["n_b", "n_y"]),
        (("missing",), ["n_y"]),
    ],
)
def test_the_last_operator_and_those_asked_for_stay_in_float(
    chain, tensors, nodes
):
    assert _writers(chain, tensors) == nodes


def test_a_tidy_file_has_readable_names_and_no_leftovers(chain):
    tidy_onnx(chain)
    model = onnx.load(chain)
    for tensor in (*model.graph.input, *model.graph.output):
        dims = tensor.type.tensor_type.shape.dim
        assert dims[0].dim_param == "batch"
        assert [dim.dim_value for dim in dims[1:]] == [2, 3, 3]
    assert len(model.graph.value_info) == len(model.metadata_props) == 0
    assert [each.domain for each in model.opset_import] == [""]
    assert model.producer_name == "kerastl"


@pytest.mark.parametrize("kind", ["uint8", "int8"])
def test_weights_have_a_scale_a_channel_and_ranges_are_kept(
    chain, tmp_path, kind
):
    data = np.random.default_rng(0).normal(size=(20, 2, 3, 3))
    model = onnx.load(chain)
    model.graph.input[0].name = "image"
    model.graph.node[0].input[0] = "image"
    onnx.save(model, chain)
    path, ranges = tmp_path / "b.onnx", tmp_path / "ranges.json"
    arguments = {"activation_type": kind, "ranges": ranges}
    quantize_onnx(chain, path, data.astype("float32"), **arguments)
    assert ranges.stat().st_size > 0
    graph = onnx.load(path).graph
    values = {
        each.name: numpy_helper.to_array(each) for each in graph.initializer
    }
    producers = {node.output[0]: node for node in graph.node}
    kernels = [
        producers[node.input[1]]
        for node in graph.node
        if node.op_type == "Conv"
    ]
    for node in kernels:
        levels, scales = (values[name] for name in node.input[:2])
        assert levels.dtype == np.int8 and scales.shape == (2,)
    rounding = next(n for n in graph.node if n.op_type == "QuantizeLinear")
    assert values[rounding.input[2]].dtype == kind
    # What is kept is used: other images give the same file.
    again = tmp_path / "c.onnx"
    quantize_onnx(chain, again, 9 * data.astype("float32"), **arguments)
    assert again.read_bytes() == path.read_bytes()
    session = onnxruntime.InferenceSession(
        path, providers=["CPUExecutionProvider"]
    )
    images = data.astype("float32")
    [found] = session.run(None, {"image": images})
    a = np.clip(np.repeat(0.5 * images.sum(1, keepdims=True), 2, 1), 0, 6)
    b = np.maximum(np.repeat(0.5 * a.sum(1, keepdims=True), 2, 1), 0)
    np.testing.assert_allclose(found, a + b, atol=0.1)
