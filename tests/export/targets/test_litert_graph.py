"""Tensors and operators made by hand."""

import pytest

from kerastl.export.targets.litert_graph import LitertGraph
from kerastl.export.targets.litert_graph import Operator
from kerastl.export.targets.litert_graph import Tensor


@pytest.mark.parametrize(
    "dtype, size",
    [
        ("float64", 120),
        ("float32", 60),
        ("float16", 30),
        ("int64", 120),
        ("int32", 60),
        ("uint32", 60),
        ("int16", 30),
        ("int8", 15),
        ("uint8", 15),
        ("int4", 8),
        ("bool", 15),
        ("resource", 60),
    ],
)
def test_how_many_bytes_a_tensor_has(dtype, size):
    tensor = Tensor("t", dtype, (3, 5), False, False, 0)
    assert (tensor.elements, tensor.size_bytes) == (15, size)
    assert Tensor("t", dtype, (), False, False, 0).elements == 1


@pytest.mark.parametrize(
    "inputs, outputs, dtype",
    [
        ((1, 0), (2,), "int8"),
        ((0, 1), (2,), "int8"),
        ((2, 0), (1,), "float32"),
        # What is made of constants alone computes in the type of the first.
        ((0, 3), (2,), "int32"),
        ((3, 0), (2,), "float16"),
    ],
)
def test_an_operator_has_the_type_of_its_first_activation(
    inputs, outputs, dtype
):
    tensors = [
        Tensor("k", "int32", (1,), False, True, 0),
        Tensor("x", "int8", (1,), False, False, 0),
        Tensor("y", "float32", (1,), False, False, 0),
        Tensor("h", "float16", (1,), False, True, 0),
    ]
    operator = Operator("ADD", inputs, outputs)
    graph = LitertGraph(tensors, [operator], (1,), (2,), 1)
    assert graph.operator_type(operator) == dtype
