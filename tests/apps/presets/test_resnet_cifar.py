import numpy as np
import pytest

from kerastl import apps


def test_resnet8_is_the_network_of_mlperf_tiny():
    model = apps.ResNet8()
    assert model.count_params() == 78_666
    assert model.input_shape == (None, 32, 32, 3)
    assert model.output_shape == (None, 10)
    shapes = [
        model.get_layer(f"stack{stack}_block1_out").output.shape[1:]
        for stack in (1, 2, 3)
    ]
    assert shapes == [(32, 32, 16), (16, 16, 32), (8, 8, 64)]


def test_resnet20_has_three_blocks_a_stack():
    model = apps.ResNet20(classes=5)
    convolutions = [
        layer
        for layer in model.layers
        if layer.name.endswith(("_1_conv", "_2_conv"))
    ]
    assert len(convolutions) == 18
    assert model.output_shape == (None, 5)


@pytest.mark.tensorflow_only
def test_learns_two_classes():
    generator = np.random.default_rng(0)
    labels = np.tile([0, 1], 16)
    images = (
        generator.uniform(0, 100, (32, 8, 8, 3))
        + 150 * labels[:, None, None, None]
    )
    model = apps.ResNet8(input_shape=(8, 8, 3), classes=2)
    model.compile("adam", "sparse_categorical_crossentropy")
    losses = model.fit(images, labels, epochs=5, verbose=0).history["loss"]
    assert losses[-1] < 0.5 * losses[0]
