import pytest

from kerastl.export import load
from kerastl.export.targets.read_litert_graph import read_litert_graph

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
