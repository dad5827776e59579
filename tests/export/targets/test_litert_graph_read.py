from types import SimpleNamespace

import numpy as np
import pytest

from kerastl.export import load
from kerastl.export.targets import litert_graph as module
from kerastl.export.targets.litert_graph import Tensor
from kerastl.export.targets.litert_graph import read_litert_graph

pytestmark = pytest.mark.tensorflow_only


def test_the_graph_is_the_one_that_runs(files):
    for path in files.values():
        graph = read_litert_graph(path)
        runner = load(path)
        names = [operator.name for operator in graph.operators]
        assert names == runner.operations()
        [image] = (graph.tensors[index] for index in graph.inputs)
        [output] = (graph.tensors[index] for index in graph.outputs)
        assert image.shape == (1, *runner.input_shape)
        assert image.dtype == runner.input["dtype"]
        assert output.shape == (1, runner.num_classes)
        assert not image.constant
        assert graph.num_subgraphs == 1


def test_kernels_have_a_scale_a_channel(files):
    graph = read_litert_graph(files["int8"])
    [wide] = (
        operator
        for operator in graph.operators
        if operator.name == "CONV_2D"
        and graph.tensors[operator.outputs[0]].shape[-1] == 96
    )
    kernel = graph.tensors[wide.inputs[1]]
    assert (kernel.shape, kernel.dtype) == ((96, 1, 1, 16), "int8")
    assert (kernel.constant, kernel.channels) == (True, 96)
    assert kernel.size_bytes == 96 * 16


def test_the_type_is_that_of_the_activations(files):
    graph = read_litert_graph(files["dynamic"])
    assert set(map(graph.operator_type, graph.operators)) == {"float32"}


NAMES = {3: "CONV_2D", 32: "CUSTOM", 150: "GELU"}


@pytest.mark.parametrize(
    "code, old, custom, name",
    [
        (3, 3, None, "CONV_2D"),
        # Files of before have the number in the second field alone.
        (0, 3, None, "CONV_2D"),
        (150, 127, None, "GELU"),
        (32, 32, b"FlexErfinv", "CUSTOM FlexErfinv"),
        (32, 32, None, "CUSTOM"),
        (3, 3, b"ignored", "CONV_2D"),
    ],
)
def test_operators_by_their_number(code, old, custom, name):
    given = SimpleNamespace(
        builtinCode=code, deprecatedBuiltinCode=old, customCode=custom
    )
    assert module._operator_name(given, NAMES) == name


@pytest.mark.parametrize(
    "fields, expected",
    [
        ({}, {}),
        ({"name": None}, {"name": ""}),
        ({"shape": None}, {"shape": ()}),
        # What is not known counts as one.
        (
            {"shape": [0, 3], "shapeSignature": [-1, 3]},
            {"shape": (1, 3), "dynamic": True},
        ),
        ({"shapeSignature": [2, 3]}, {}),
        ({"shapeSignature": [0, 3]}, {}),
        ({"buffer": 1}, {"constant": True}),
        ({"buffer": 2}, {}),
        ({"quantization": SimpleNamespace(scale=None)}, {}),
        ({"quantization": SimpleNamespace(scale=[1, 2])}, {"channels": 2}),
    ],
)
def test_tensors_by_their_fields(fields, expected):
    plain = {
        "name": b"t",
        "shape": [2, 3],
        "shapeSignature": None,
        "quantization": None,
        "buffer": 0,
        "type": 9,
    }
    buffers = [
        SimpleNamespace(data=data) for data in (None, np.ones(1), np.ones(0))
    ]
    found = module._tensor(
        SimpleNamespace(**{**plain, **fields}), {9: "INT8"}, buffers
    )
    usual = {
        "name": "t",
        "dtype": "int8",
        "shape": (2, 3),
        "dynamic": False,
        "constant": False,
        "channels": 0,
    }
    assert found == Tensor(**{**usual, **expected})


def test_inputs_that_are_not_there_have_no_index():
    assert module._indices([3, -1, 0]) == (3, 0)
