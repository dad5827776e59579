import pytest

from kerastl.export import load
from kerastl.export.targets.check import find_delegated
from kerastl.export.targets.litert_graph import read_litert_graph

pytestmark = pytest.mark.tensorflow_only


def test_the_partitions_are_those_that_the_runner_counts(files, mirrored):
    for path in (*files.values(), mirrored):
        partitions, _ = find_delegated(path, read_litert_graph(path))
        assert partitions == load(path).partitions()


def test_only_what_the_delegate_lacks_is_outside(files, mirrored):
    def left(path):
        graph = read_litert_graph(path)
        _, inside = find_delegated(path, graph)
        return [
            operator.name
            for position, operator in enumerate(graph.operators)
            if position not in inside
        ]

    assert left(mirrored) == ["MIRROR_PAD"]
    assert left(files["float32"]) == []
    assert left(files["int8"]) == ["SOFTMAX"]
    assert len(left(files["int16x8"])) > 3
