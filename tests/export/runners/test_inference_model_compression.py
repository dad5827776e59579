"""The sentences of a report about kernels of few values and many zeros."""

import keras
import numpy as np
import pytest

from kerastl.export.runners.inference_model import describe_compression

ZIPPED = (
    "That makes the file smaller when it is zipped. On the device it takes as "
    "much memory and time as before: only channels that are gone are faster "
    "(`kerastl.surgery.prune_channels`)."
)


@pytest.mark.parametrize(
    "zeros, values, notes",
    [
        (0, None, []),
        (128, None, ["Pruned: 50 % of the weights are zero."]),
        # 98.8, which a percent more would make a hundred.
        (
            253,
            None,
            [
                "Pruned: 99 % of the weights are zero.",
                "Clustered: a kernel has at most 4 values.",
            ],
        ),
        (0, 7, ["Clustered: a kernel has at most 7 values."]),
        (
            64,
            7,
            [
                "Pruned: 25 % of the weights are zero.",
                "Clustered: a kernel has at most 8 values.",
            ],
        ),
    ],
)
def test_what_is_said(zeros, values, notes):
    model = keras.Sequential([keras.Input((16,)), keras.layers.Dense(16)])
    kernel = 1.0 + np.arange(256) % (values or 256)
    kernel[:zeros] = 0
    model.layers[0].set_weights([kernel.reshape(16, 16), np.zeros(16)])
    assert describe_compression(model) == [*notes, *[ZIPPED][: len(notes)]]


def test_a_model_without_kernels():
    model = keras.Sequential([keras.Input((4,)), keras.layers.ReLU()])
    assert describe_compression(model) == []
