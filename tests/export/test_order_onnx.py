import numpy as np
import onnx
import onnxruntime
from onnx import helper
from onnx import numpy_helper

from kerastl.export.order_onnx import order_onnx


def graph(shuffle):
    """y = relu(x * a) + (x + b): two branches that may come in any order."""
    m, s = ("m__91", "s__7") if shuffle else ("m__6", "s__12")
    nodes = [
        helper.make_node("Mul", ["x", "a"], [m], "layer__8/mul"),
        helper.make_node("Relu", [m], ["r"], "relu"),
        helper.make_node("Add", ["x", "b"], [s], f"add{s[1:]}"),
        helper.make_node("Add", ["r", s], ["y"], "sum"),
    ]
    constants = [
        numpy_helper.from_array(np.float32([2, -3]), "a"),
        numpy_helper.from_array(np.float32([1, 5]), "b"),
    ]
    if shuffle:
        nodes = [nodes[2], nodes[0], nodes[1], nodes[3]]
        constants.reverse()
    x, y = (
        helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["n", 2])
        for name in "xy"
    )
    made = helper.make_graph(nodes, "g", [x], [y], constants)
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)])


def test_every_order_gives_the_same_bytes_and_values(tmp_path):
    contents = []
    for shuffle in (False, True):
        path = tmp_path / "a.onnx"
        model = graph(shuffle)
        model.ir_version = 8
        onnx.save(model, path)
        order_onnx(path)
        contents.append(path.read_bytes())
        onnx.checker.check_model(onnx.load(path))
    assert contents[0] == contents[1]
    # Numbers of the exporter are made anew, that of a layer is not.
    assert [node.name for node in onnx.load(path).graph.node] == [
        "layer__8/mul",
        "relu",
        "add__2",
        "sum",
    ]
    session = onnxruntime.InferenceSession(
        contents[0], providers=["CPUExecutionProvider"]
    )
    [found] = session.run(None, {"x": np.float32([[1, 1], [-1, -1]])})
    np.testing.assert_array_equal(found, [[4, 6], [0, 7]])
