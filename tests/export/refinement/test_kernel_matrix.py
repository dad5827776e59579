import keras
import numpy as np
import pytest
from keras import layers

from kerastl.export.refinement.kernel_matrix import KernelMatrix

SHAPE = (9, 8, 6)


@pytest.mark.parametrize(
    "layer",
    [
        layers.Conv2D(5, 1),
        layers.Conv2D(5, (3, 2), padding="same"),
        layers.Conv2D(4, 3, strides=2, padding="same"),
        layers.Conv2D(4, 3, strides=2),
        layers.Conv2D(4, 3, dilation_rate=2, padding="same"),
        layers.Conv2D(6, 3, groups=3),
        layers.DepthwiseConv2D(3, padding="same"),
        layers.DepthwiseConv2D(3, strides=2, depth_multiplier=2),
        layers.Dense(7),
    ],
    ids=lambda layer: layer.__class__.__name__,
)
def test_windows_times_matrices_are_the_outputs(layer):
    """Of every group: the layer itself is the reference."""
    images = np.random.default_rng(0).normal(size=(2, *SHAPE))
    images = images.astype("float32")
    inputs = keras.Input(SHAPE)
    if layer.groups != 1 if isinstance(layer, layers.Conv2D) else False:
        # A CPU runs groups when they are compiled only.
        layer.build((None, *SHAPE))
        expected = np.concatenate(
            [
                keras.ops.convert_to_numpy(
                    keras.ops.conv(
                        images[..., 2 * group : 2 * group + 2],
                        layer.kernel[..., 2 * group : 2 * group + 2],
                    )
                )
                for group in range(3)
            ],
            axis=-1,
        )
    else:
        model = keras.Model(inputs, layer(inputs))
        expected = keras.ops.convert_to_numpy(model(images))
    matrix = KernelMatrix(layer)
    rows = matrix.windows(images)
    outputs = np.einsum("gri,goi->rgo", rows, matrix.read())
    np.testing.assert_allclose(
        outputs.reshape(-1, outputs.shape[1] * outputs.shape[2]),
        expected.reshape(-1, expected.shape[-1]),
        atol=1e-5,
    )


@pytest.mark.parametrize(
    "layer",
    [
        layers.Conv2D(6, 3, groups=2),
        layers.DepthwiseConv2D(3, depth_multiplier=2),
        layers.Dense(7),
    ],
    ids=lambda layer: layer.__class__.__name__,
)
def test_a_kernel_comes_back_as_it_was(layer):
    shape = (None, *SHAPE)
    layer.build(shape)
    before = keras.ops.convert_to_numpy(layer.kernel)
    matrix = KernelMatrix(layer)
    matrix.write(matrix.read() + 0.0)
    np.testing.assert_array_equal(
        keras.ops.convert_to_numpy(layer.kernel), before
    )
    filters = before.reshape(-1, layer.compute_output_shape(shape)[-1])
    np.testing.assert_allclose(
        matrix.to_channels(matrix.read().sum(-1)), filters.sum(0), atol=1e-5
    )


def test_of_a_large_map_positions_spread_over_it_are_taken():
    layer = layers.DepthwiseConv2D(1)
    rows, columns = np.mgrid[:64, :96]
    images = np.stack([rows, columns], -1)[None].astype("float32")
    layer.build(images.shape)
    matrix = KernelMatrix(layer)
    seen = [matrix.windows(images, offset)[:, :, 0] for offset in range(5)]
    for rows, columns in seen:
        assert 80 < len(rows) < 130
        assert {rows.min() // 8, columns.min() // 8} == {0}
        assert rows.max() > 55 and columns.max() > 87
    assert len({tuple(rows) for rows, _ in seen}) > 1
