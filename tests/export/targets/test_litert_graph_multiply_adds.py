import keras
import pytest
from keras import layers

import kerastl
from kerastl.export.targets.litert_graph import LitertGraph
from kerastl.export.targets.litert_graph import Operator
from kerastl.export.targets.litert_graph import Tensor
from kerastl.export.targets.litert_graph import count_graph_multiply_adds
from kerastl.export.targets.litert_graph import read_litert_graph

pytestmark = pytest.mark.tensorflow_only


def test_every_scheme_computes_what_the_model_does(files, cnn):
    expected = kerastl.count_multiply_adds(cnn)
    for path in files.values():
        assert (
            sum(count_graph_multiply_adds(read_litert_graph(path))) == expected
        )


def test_grouped_and_transposed_convolutions(tmp_path):
    inputs = keras.Input((8, 8, 4))
    x = layers.Conv2D(6, 3, groups=2, strides=2, padding="same")(inputs)
    x = layers.Conv2DTranspose(5, 3, strides=2, padding="same")(x)
    model = keras.Model(inputs, layers.Dense(7)(layers.Flatten()(x)))
    path = tmp_path / "a.tflite"
    signature = [keras.InputSpec("float32", shape=(1, 8, 8, 4))]
    model.export(
        path, format="litert", verbose=False, input_signature=signature
    )
    graph = read_litert_graph(path)
    counts = dict(
        zip(
            (operator.name for operator in graph.operators),
            count_graph_multiply_adds(graph),
            strict=True,
        )
    )
    assert counts["CONV_2D"] == 4 * 4 * 6 * 9 * 2
    assert counts["TRANSPOSE_CONV"] == 4 * 4 * 6 * 9 * 5
    assert counts["FULLY_CONNECTED"] == 8 * 8 * 5 * 7
    assert sum(counts.values()) == kerastl.count_multiply_adds(model)


@pytest.mark.parametrize(
    "kind, shapes, count",
    [
        # 2 x 5 x 5 outputs of 4 channels, of 3 x 2 pixels of 3 channels.
        ("CONV_2D", [(2, 7, 7, 3), (4, 3, 2, 3), (2, 5, 5, 4)], 200 * 18),
        ("DEPTHWISE_CONV_2D", [(2, 7, 7, 4), (1, 3, 2, 4), (2, 5, 5, 4)], 1200),
        # The shape of the output, the kernel, the image of 3 channels.
        (
            "TRANSPOSE_CONV",
            [(4,), (4, 3, 2, 3), (2, 5, 5, 3), (2, 7, 7, 4)],
            150 * 24,
        ),
        ("FULLY_CONNECTED", [(2, 7), (5, 7), (2, 5)], 70),
        ("BATCH_MATMUL", [(2, 3, 7), (2, 7, 5), (2, 3, 5)], 210),
        ("ADD", [(2, 3), (2, 3), (2, 3)], 0),
    ],
)
def test_products_by_hand(kind, shapes, count):
    tensors = [Tensor("t", "int8", each, False, False, 0) for each in shapes]
    last = len(tensors) - 1
    operators = [
        Operator("RELU", (last,), (last,)),
        Operator(kind, tuple(range(last)), (last,)),
    ]
    graph = LitertGraph(tensors, operators, (0,), (last,), 1)
    assert count_graph_multiply_adds(graph) == [0, count]
