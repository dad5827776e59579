"""class_means against means made by hand."""

import keras
import numpy as np
import pytest

from kerastl.surgery import class_means

OUTPUTS = np.array([[1.0, 2.0], [8.0, 6.0], [3.0, 0.0], [0.0, 5.0]], "float32")
LABELS = np.array([0, 1, 0, 1])


@pytest.fixture
def model():
    """Says what it is shown."""
    inputs = keras.Input((2,))
    return keras.Model(inputs, keras.layers.Identity()(inputs))


@pytest.mark.parametrize("batch_size", [1, 3, 32])
@pytest.mark.parametrize("one_hot", [False, True])
def test_the_mean_of_each_class(model, batch_size, one_hot):
    labels = np.eye(2)[LABELS] if one_hot else LABELS
    means, sizes = class_means(model, (OUTPUTS, labels), batch_size=batch_size)
    np.testing.assert_allclose(means, [[2.0, 1.0], [4.0, 5.5]])
    np.testing.assert_array_equal(sizes, [2, 2])


def test_lengths_count_only_without_unit(model):
    means, _ = class_means(model, (OUTPUTS, LABELS), unit=True)
    root = 5**-0.5
    expected = [[(root + 1) / 2, root], [0.4, 0.8]]
    np.testing.assert_allclose(means, expected, rtol=1e-6)


@pytest.mark.parametrize(
    "labels, num_classes",
    [([0, 2, 0, 2], None), ([0, 1, 0, 1], 3), ([0, 1, 2, 1], 2)],
)
def test_a_class_without_images_is_refused(model, labels, num_classes):
    with pytest.raises(ValueError, match="at least one image.*by label {0: "):
        class_means(model, (OUTPUTS, np.array(labels)), num_classes)
