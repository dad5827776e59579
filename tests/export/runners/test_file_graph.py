"""Graphs of files made by hand: what is computed, and as what it is read."""

import numpy as np
import pytest

from kerastl.export.runners.file_graph import FileGraph
from kerastl.export.runners.file_graph import Operation
from kerastl.export.runners.file_graph import Quantization

FINE = Quantization(0.5, 3, (-4, 4))
COARSE = Quantization(2.0, 0, (-128, 127))


def test_the_range_and_the_rounding_of_integers():
    assert FINE.range == (-3.5, 0.5)
    values = np.array([-9.0, -3.3, 0.2, 0.26, 0.5, 7.0])
    np.testing.assert_array_equal(
        FINE.round(values), [-3.5, -3.5, 0.0, 0.5, 0.5, 0.5]
    )


def graph(operations, result, quantized=None, qdq=False, asked=None):
    quantized = quantized or {}

    def values(images, tensors):
        if asked is not None:
            asked.append(tensors)
        return {tensor: images + len(tensor) for tensor in tensors}

    return FileGraph(
        [Operation(*each) for each in operations],
        "image",
        result,
        str.upper,
        quantized.get,
        values,
        qdq,
    )


def test_what_moves_values_stands_for_what_it_moves():
    asked = []
    file = graph(
        [
            ("TRANSPOSE", ("image",), ("moved",)),
            ("QUANTIZE", ("weights",), ("rounded",)),
            ("CONV_2D", ("moved", "rounded", "bias"), ("conv",)),
            ("RESHAPE", ("conv", "shape"), ("flat",)),
            ("ADD", ("flat", "conv", "moved"), ("sum",)),
            ("CAST", ("sum",), ("out",)),
        ],
        "out",
        {"conv": FINE},
        asked=asked,
    )
    # What no image reaches are weights.
    assert [each.key for each in file.tensors] == ["conv", "sum"]
    conv, total = file.tensors
    assert conv.parents == ("image",)
    assert total.parents == ("conv", "image")
    assert (conv.name, conv.kind, conv.value) == ("CONV", "CONV_2D", "conv")
    assert (conv.quantization, conv.is_float) == (FINE, False)
    assert (total.quantization, total.is_float) == (None, True)
    assert (file.source, file.result) == ("image", "sum")
    assert not file.channels_first
    found = file.run(np.zeros(2))
    assert asked == [["conv", "sum"]]
    np.testing.assert_array_equal(found["conv"], [4, 4])
    np.testing.assert_array_equal(found["sum"], [3, 3])


@pytest.mark.parametrize("readers", [1, 2])
def test_a_rounding_that_everybody_reads_through_is_part_of_it(readers):
    operations = [
        ("RELU", ("image",), ("relu",)),
        ("QUANTIZE", ("relu",), ("levels",)),
        ("DEQUANTIZE", ("levels",), ("again",)),
        ("MEAN", ("again",), ("mean",)),
    ]
    if readers == 2:
        operations.append(("ADD", ("relu", "mean"), ("sum",)))
    file = graph(operations, "mean", {"levels": COARSE})
    relu = file.tensors[0]
    assert relu.value == ("again" if readers == 1 else "relu")
    assert relu.quantization == (COARSE if readers == 1 else None)
    assert relu.is_float
    assert file.run(np.zeros(1))["relu"] == len(relu.value)


def test_between_roundings_a_qdq_file_computes_in_integers():
    def chain(*between):
        return graph(
            [
                ("QuantizeLinear", ("image",), ("q",)),
                ("DequantizeLinear", ("q",), ("d",)),
                *between,
            ],
            "y",
            {"q": FINE, "d": FINE, "q2": COARSE, "d2": COARSE},
            qdq=True,
        )

    file = chain(
        ("Conv", ("d", "weights"), ("conv",)),
        ("QuantizeLinear", ("conv",), ("q2",)),
        ("DequantizeLinear", ("q2",), ("d2",)),
        ("Softmax", ("d2",), ("y",)),
    )
    assert file.channels_first
    conv, softmax = file.tensors
    assert not conv.is_float
    assert (conv.value, conv.quantization) == ("d2", COARSE)
    # Nothing rounds its output.
    assert softmax.is_float and softmax.parents == ("conv",)
    # One that reads a value that was not rounded is float too.
    file = chain(
        ("Relu", ("d",), ("relu",)),
        ("Add", ("d", "relu"), ("sum",)),
        ("QuantizeLinear", ("sum",), ("q2",)),
        ("DequantizeLinear", ("q2",), ("y",)),
    )
    relu, total = file.tensors
    assert relu.is_float and total.is_float
    assert (total.value, file.result) == ("y", "sum")
