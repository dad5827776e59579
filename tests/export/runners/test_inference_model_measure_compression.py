import keras
import numpy as np
import pytest

from kerastl.export.runners.inference_model import measure_compression


def with_kernel(kernel):
    model = keras.Sequential([keras.Input((16,)), keras.layers.Dense(16)])
    model.layers[0].set_weights([kernel, np.zeros(16)])
    return model


def test_sees_what_pruning_and_clustering_leave():
    kernel = np.random.default_rng(0).normal(size=(16, 16))
    assert measure_compression(with_kernel(kernel)) == (None, None)
    few = np.round(kernel)
    zeros = np.mean(few == 0)
    assert measure_compression(with_kernel(few)) == (
        pytest.approx(zeros),
        len(np.unique(few)),
    )
    kernel[::4] = 0
    assert measure_compression(with_kernel(kernel)) == (0.25, None)
    kernel[::4, 1:] = 1  # 4 zeros of 256
    assert measure_compression(with_kernel(kernel)) == (None, None)


def test_a_model_without_kernels_is_neither():
    model = keras.Sequential([keras.Input((4,)), keras.layers.ReLU()])
    assert measure_compression(model) == (None, None)


@pytest.mark.parametrize(
    "units, values, expected", [(8, 64, None), (9, 64, 64), (9, 65, None)]
)
def test_few_values_of_a_large_kernel(units, values, expected):
    """More than 128 weights, and at most 64 values."""
    model = keras.Sequential([keras.Input((16,)), keras.layers.Dense(units)])
    kernel = 1.0 + np.arange(16 * units) % values
    model.layers[0].set_weights([kernel.reshape(16, units), np.zeros(units)])
    assert measure_compression(model) == (None, expected)


@pytest.mark.parametrize("zeros, expected", [(12, None), (13, 0.1)])
def test_a_tenth_of_zeros_is_pruned(zeros, expected):
    model = keras.Sequential([keras.Input((13,)), keras.layers.Dense(10)])
    kernel = np.arange(1.0, 131.0)
    kernel[:zeros] = 0
    model.layers[0].set_weights([kernel.reshape(13, 10), np.zeros(10)])
    assert measure_compression(model) == (expected, None)
