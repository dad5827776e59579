import keras
import numpy as np
import pytest
from keras import layers

from kerastl.surgery import prune_weights
from kerastl.surgery.magnitude_masks import magnitude_masks


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
