import keras
import numpy as np
import pytest
from keras import layers

from kerastl.surgery import prune_weights
from kerastl.surgery.prune_weights import magnitude_masks

SMALL = np.array([[0.1, -0.4], [0.3, -0.2]])
LARGE = np.array([[5.0, -7.0, 6.0, -8.0]])


def _model():
    keras.utils.set_random_seed(0)
    return keras.Sequential(
        [
            keras.Input((6, 6, 4)),
            layers.Conv2D(8, 3, name="conv"),
            layers.DepthwiseConv2D(3, name="depthwise"),
            layers.Conv2DTranspose(4, 2, name="up"),
            layers.Flatten(),
            layers.Dense(4, name="head"),
        ]
    )


def _kernels(model):
    return {
        layer.name: keras.ops.convert_to_numpy(layer.kernel)
        for layer in model.layers
        if hasattr(layer, "kernel")
    }


def test_copies_and_prunes():
    model = _model()
    before = _kernels(model)
    after = _kernels(prune_weights(model, 0.75))
    assert np.all(after["depthwise"] == before["depthwise"])
    for name in ("conv", "up", "head"):
        kept = after[name] != 0
        assert np.mean(kept) == 0.25
        np.testing.assert_array_equal(after[name][kept], before[name][kept])
        largest = np.abs(before[name][~kept]).max()
        assert np.abs(before[name][kept]).min() > largest
        np.testing.assert_array_equal(_kernels(model)[name], before[name])


def test_pattern_of_transposed_and_depthwise_kernels():
    after = _kernels(prune_weights(_model(), pattern=(1, 4), depthwise=True))
    assert np.all(np.count_nonzero(after["conv"], axis=2) == 1)
    # Its kernel has the input channels last.
    blocks = after["up"].reshape(2, 2, 4, 2, 4)
    assert np.all(np.count_nonzero(blocks, axis=-1) == 1)
    assert np.all(after["depthwise"])


@pytest.mark.tensorflow_only
@pytest.mark.parametrize("shape", [(3, 3, 6, 5), (10, 4)])
@pytest.mark.parametrize("zeros", [1, 2, 3])
def test_pattern_is_that_of_tfmot(shape, zeros):
    pytest.importorskip("tensorflow_model_optimization")
    import tensorflow as tf

    from kerastl.export.quantization.quantized_activation import load_quantizers

    load_quantizers()
    from tensorflow_model_optimization.python.core.sparsity.keras import (
        pruning_utils,
    )

    weights = np.random.default_rng(1).normal(size=shape).astype("float32")
    theirs = pruning_utils.m_by_n_sparsity_mask_prepare(
        pruning_utils.generate_m_by_n_mask(
            pruning_utils.weights_rearrange(tf.constant(weights)), (zeros, 4)
        ),
        tf.TensorShape(shape),
    )
    [ours] = magnitude_masks([weights], 0, None, (4 - zeros, 4), [-2])
    np.testing.assert_array_equal(ours, theirs.numpy() == 1)


def test_ties_are_broken():
    [mask] = magnitude_masks([np.ones((4, 4))], 0.5)
    assert mask.sum() == 8


def test_errors():
    with pytest.raises(ValueError, match="sparsity"):
        prune_weights(_model(), 1.0)
    with pytest.raises(ValueError, match="Did you mean 'conv'"):
        prune_weights(_model(), 0.5, layers=["konv"])
    with pytest.raises(ValueError, match="scope"):
        prune_weights(_model(), 0.5, scope="all")
    empty = keras.Sequential([keras.Input((4,)), layers.ReLU()])
    with pytest.raises(ValueError, match="no kernels"):
        prune_weights(empty, 0.5)


@pytest.mark.parametrize(
    "sparsity, small, large",
    [
        (0.0, [[1, 1], [1, 1]], [[1, 1, 1, 1]]),
        (0.25, [[0, 1], [1, 1]], [[0, 1, 1, 1]]),
        (0.5, [[0, 1], [1, 0]], [[0, 1, 0, 1]]),
        # Rounded to the nearest number of weights: 1.2, then 0.4.
        (0.7, [[0, 1], [0, 0]], [[0, 0, 0, 1]]),
        (0.9, [[0, 1], [0, 0]], [[0, 0, 0, 1]]),
    ],
)
def test_the_largest_of_every_kernel_are_kept(sparsity, small, large):
    masks = magnitude_masks([SMALL, LARGE], sparsity)
    for mask, expected in zip(masks, (small, large), strict=True):
        np.testing.assert_array_equal(mask, np.array(expected, bool))


@pytest.mark.parametrize(
    "sparsity, small, large",
    [
        (0.25, [[0, 1], [1, 0]], [[1, 1, 1, 1]]),
        # A kernel that loses all keeps its largest.
        (0.75, [[0, 1], [0, 0]], [[0, 1, 0, 1]]),
    ],
)
def test_all_kernels_are_ranked_together(sparsity, small, large):
    masks = magnitude_masks([SMALL, LARGE], sparsity, "global")
    for mask, expected in zip(masks, (small, large), strict=True):
        np.testing.assert_array_equal(mask, np.array(expected, bool))


def test_of_equal_weights_the_first_are_kept():
    [mask] = magnitude_masks([np.full(8, -2.0)], 0.5)
    np.testing.assert_array_equal(mask, [1, 1, 1, 1, 0, 0, 0, 0])
    # More than a sort that is not stable leaves in order.
    [mask] = magnitude_masks([np.ones(100)], 0.9)
    np.testing.assert_array_equal(np.flatnonzero(mask), np.arange(10))
    [mask] = magnitude_masks([np.ones((64, 1))], 0, None, (3, 64), [0])
    np.testing.assert_array_equal(np.flatnonzero(mask), [0, 1, 2])


def test_the_largest_neighbours_of_each_block_along_an_axis():
    kernel = np.array([[1, -2, 3], [-4, 5, -6], [9, 8, -7], [-12, 11, 10]])
    [first] = magnitude_masks([kernel], 0, pattern=(1, 2), input_axes=[0])
    np.testing.assert_array_equal(
        first, [[0, 0, 0], [1, 1, 1], [0, 0, 0], [1, 1, 1]]
    )
    # The last block is short: a single weight of it is kept.
    [second] = magnitude_masks([kernel], 0, pattern=(1, 2), input_axes=[1])
    np.testing.assert_array_equal(
        second, [[0, 1, 1], [0, 1, 1], [1, 0, 1], [1, 0, 1]]
    )
    # A weight of zero is still before what fills up a block.
    [zeros] = magnitude_masks([np.zeros((2, 3))], 0, None, (2, 4), [-1])
    np.testing.assert_array_equal(zeros, [[1, 1, 0], [1, 1, 0]])


def test_a_kernel_without_input_channels_is_kept_whole():
    kernels = [np.arange(4.0), np.arange(4.0)]
    masks = magnitude_masks(kernels, 0.5, None, (1, 2), [None, 0])
    np.testing.assert_array_equal(masks, [[1, 1, 1, 1], [0, 1, 0, 1]])
    masks = magnitude_masks(kernels, 0.5, None, (1, 2))
    assert np.all(masks)
    assert [mask.dtype for mask in masks] == [bool, bool]


@pytest.mark.parametrize("pattern", [(0, 4), (-1, 4), (4, 4), (5, 4)])
def test_what_is_no_pattern(pattern):
    with pytest.raises(ValueError, match=r"0 < n < m.* Received: pattern=\("):
        magnitude_masks([LARGE], 0, pattern=pattern, input_axes=[-1])


def test_every_kernel_needs_an_axis():
    with pytest.raises(ValueError):
        magnitude_masks([LARGE, SMALL], 0, pattern=(1, 2), input_axes=[-1])


@pytest.mark.parametrize("scope", ["all", "network", None, ""])
def test_unknown_scope(scope):
    with pytest.raises(ValueError, match="`scope` must be one of"):
        magnitude_masks([LARGE], 0.5, scope)
