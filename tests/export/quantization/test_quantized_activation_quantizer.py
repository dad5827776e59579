import numpy as np
import pytest

from kerastl.export.quantization import ActivationQuantizer
from kerastl.export.quantization.quantized_activation import observing

pytestmark = pytest.mark.tensorflow_only


def observe(quantizer, *batches):
    with observing([quantizer]):
        for batch in batches:
            outputs = quantizer(batch, training=False)
            np.testing.assert_array_equal(outputs, batch.astype("float32"))


def seen(quantizer):
    return float(quantizer.min), float(quantizer.max)


def test_what_is_observed_is_held_whole_and_not_rounded():
    quantizer = ActivationQuantizer()
    observe(quantizer, np.array([[0.3], [9.1]]), np.array([[-2.2], [4.0]]))
    assert seen(quantizer) == pytest.approx((-2.2, 9.1))


def test_training_moves_slowly_on_from_what_was_observed():
    quantizer = ActivationQuantizer()
    observe(quantizer, np.full((96, 1), 10.0))
    quantizer(np.full((32, 1), 5.0), training=True)
    assert seen(quantizer)[1] == pytest.approx(10 - 5 * 4 / 100, rel=1e-3)


@pytest.mark.parametrize(
    "options, batch, expected",
    [
        ({}, [0.0, 1.02], (0, 1.02)),
        ({}, [0.0, 2.0], (0, 2.0)),
        ({}, [0.0, 100.0], (0, 100)),
        ({}, [3.0, 240.0], (0, 255)),
        ({}, [0.0, 300.0], (0, 300)),
        ({}, [-3.0, 255.0], (-3, 255)),
        ({"pixels": True}, [5.0, 60.0], (0, 255)),
        ({"pixels": True}, [-9.0, 60.0], (-9, 60)),
    ],
)
def test_images_are_bytes_only_where_that_is_known(options, batch, expected):
    quantizer = ActivationQuantizer(images=True, **options)
    quantizer(np.array(batch), training=True)
    assert seen(quantizer) == pytest.approx(expected)
    again = ActivationQuantizer.from_config(quantizer.get_config())
    assert again.pixels == options.get("pixels", False)


def test_a_margin_makes_the_levels_as_much_wider():
    quantizer = ActivationQuantizer(margin=0.5)
    observe(quantizer, np.array([[0.0], [10.0]]))
    assert quantizer.range() == pytest.approx((0, 15))
    outputs = quantizer(np.array([[21 / 255], [10.0]]))
    np.testing.assert_allclose(outputs, [[15 / 255], [10.0]], rtol=1e-5)


def test_what_was_never_seen_is_not_rounded():
    quantizer = ActivationQuantizer()
    values = np.array([[0.3], [-7.7]], "float32")
    np.testing.assert_array_equal(quantizer(values), values)
    np.testing.assert_array_equal(quantizer(values, training=False), values)
    with pytest.raises(ValueError, match="never trained"):
        quantizer.range()


@pytest.mark.parametrize("training", [True, False, None])
@pytest.mark.parametrize("images", [True, False])
def test_what_was_seen_is_rounded_and_cut_off(training, images):
    quantizer = ActivationQuantizer(images=images)
    observe(quantizer, np.array([[0.0], [127.5]]))
    values = np.array([[0.3], [0.2], [64.1], [127.5]])
    outputs = quantizer(values, training=training)
    # Training moves the range on by no more than a step of its average.
    np.testing.assert_allclose(outputs, [[0.5], [0], [64], [127.5]], atol=1e-3)
    if not training:
        assert seen(quantizer) == (0, 127.5)
        np.testing.assert_array_equal(
            quantizer(np.array([[-3.0], [500.0]])), [[0], [127.5]]
        )


def test_the_first_batch_sets_the_range():
    quantizer = ActivationQuantizer()
    quantizer(np.array([[-51.0], [204.0]]), training=True)
    assert seen(quantizer) == pytest.approx((-51, 204))
    outputs = quantizer(np.array([[0.4], [0.6], [300.0]]))
    np.testing.assert_allclose(outputs, [[0], [1], [204]], atol=1e-3)
    assert float(quantizer.num_batches) == 1
