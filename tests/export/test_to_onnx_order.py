import numpy as np
import onnx
import onnxruntime
from onnx import helper
from onnx import numpy_helper

from kerastl.export.to_onnx import order_onnx


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


def branched(shuffle):
    """y = relu(x) if c else x + k, behind a node that nothing needs."""
    m, k = ("m__91", "k__7") if shuffle else ("m__3", "k__4")

    def branch(kind, inputs, name):
        out = helper.make_tensor_value_info(
            f"{name}__9", onnx.TensorProto.FLOAT, ["n", 2]
        )
        node = helper.make_node(kind, inputs, [f"{name}__9"], f"{name}__9")
        return helper.make_graph([node], name, [], [out])

    nodes = [
        helper.make_node("Identity", ["x"], [m], m),
        helper.make_node("Relu", ["x"], ["unused"], "unused"),
        helper.make_node(
            "If",
            ["c"],
            ["y"],
            "choice",
            then_branch=branch("Relu", [m], "then"),
            else_branch=branch("Add", [m, k], "else"),
        ),
    ]
    if shuffle:
        nodes = [nodes[1], nodes[0], nodes[2]]
    x, y, c, inner = (
        helper.make_tensor_value_info(name, kind, shape)
        for name, kind, shape in (
            ("x", onnx.TensorProto.FLOAT, ["n", 2]),
            ("y", onnx.TensorProto.FLOAT, ["n", 2]),
            ("c", onnx.TensorProto.BOOL, []),
            (m, onnx.TensorProto.FLOAT, ["n", 2]),
        )
    )
    unused = helper.make_tensor_value_info(
        "unused", onnx.TensorProto.FLOAT, ["n", 2]
    )
    shapes = [inner, unused] if shuffle else [unused, inner]
    made = helper.make_graph(
        nodes,
        f"g{shuffle}",
        [x, c],
        [y],
        [numpy_helper.from_array(np.float32([1, 5]), k)],
        doc_string=f"function {shuffle}",
        value_info=shapes,
    )
    made.name = "g"
    imports = [helper.make_opsetid("", 17)]
    return helper.make_model(made, opset_imports=imports, ir_version=8)


def test_what_branches_read_comes_before_them(tmp_path):
    contents = []
    for shuffle in (False, True):
        path = tmp_path / "a.onnx"
        onnx.save(branched(shuffle), path)
        order_onnx(path)
        contents.append(path.read_bytes())
    assert contents[0] == contents[1]
    graph = onnx.load(path).graph
    # Numbered in the order in which nodes come; what nobody needs comes last.
    assert [node.name for node in graph.node] == ["m__1", "choice", "unused"]
    assert [each.name for each in graph.value_info] == ["m__1", "unused"]
    # Attributes are in the order of their names, and so are the branches.
    assert [each.name for each in graph.initializer] == ["k__2"]
    inner = {
        attribute.name: attribute.g for attribute in graph.node[1].attribute
    }
    assert list(inner["else_branch"].node[0].input) == ["m__1", "k__2"]
    assert inner["else_branch"].output[0].name == "else__3"
    assert inner["then_branch"].output[0].name == "then__3"
    session = onnxruntime.InferenceSession(
        contents[0], providers=["CPUExecutionProvider"]
    )
    for flag, expected in ((True, [[1, 0]]), (False, [[2, 4]])):
        given = {"x": np.float32([[1, -1]]), "c": np.array(flag)}
        np.testing.assert_array_equal(session.run(None, given)[0], expected)
