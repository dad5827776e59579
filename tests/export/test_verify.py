import numpy as np
import pytest

from kerastl.export.verify import verify


class Fixed:
    """A runner whose outputs are the images themselves, altered."""

    def __init__(self, change=lambda outputs: outputs, kind=None):
        self.change = change
        self.kind = kind

    def predict(self, images):
        return self.change(images.astype("float32"))


def test_numbers_equal_those_computed_at_once():
    generator = np.random.default_rng(0)
    outputs = generator.random((10, 3)).astype("float32")
    noise = generator.normal(0, 0.3, (10, 3)).astype("float32")
    labels = generator.integers(0, 3, 10)
    table = {
        row.tobytes(): add for row, add in zip(outputs, noise, strict=True)
    }

    def change(rows):
        return rows + np.stack([table[row.tobytes()] for row in rows])

    batches = [(outputs[:7], labels[:7]), (outputs[7:], labels[7:])]
    result = verify(Fixed(), Fixed(change), batches)
    received = outputs + noise
    difference = np.abs(received - outputs)
    assert result.num_images == 10
    assert result.max_abs_difference == pytest.approx(difference.max())
    assert result.mean_abs_difference == pytest.approx(difference.mean())
    agreement = received.argmax(1) == outputs.argmax(1)
    assert 0 < agreement.mean() < 1
    assert result.top1_agreement == agreement.mean()
    assert result.accuracy == (received.argmax(1) == labels).mean()
    assert result.keras_accuracy == (outputs.argmax(1) == labels).mean()
    assert result.accuracy_drop == pytest.approx(
        result.keras_accuracy - result.accuracy
    )


def test_without_labels_there_is_no_accuracy():
    result = verify(Fixed(), Fixed(), [(np.eye(3), None)])
    assert result.top1_agreement == 1
    assert result.accuracy is result.keras_accuracy is None
    assert result.accuracy_drop is None


def one_nan(outputs):
    outputs = outputs.copy()
    outputs[1, 2] = np.nan
    return outputs


def test_nan_in_the_file_is_an_error():
    with pytest.raises(ValueError, match="file returns NaN.* 1 of 3 images"):
        verify(Fixed(), Fixed(one_nan), [(np.eye(3), None)])


def test_nan_in_the_model_is_an_error_of_the_model():
    """It would compare as equal: no number is larger than NaN."""
    for file in (Fixed(), Fixed(one_nan)):
        with pytest.raises(ValueError, match="itself returns NaN.* 1 of 3"):
            verify(Fixed(one_nan), file, [(np.eye(3), None)])


def test_infinite_outputs_are_compared():
    outputs = np.array([[0.0, np.inf], [-np.inf, 1.0]])
    result = verify(Fixed(), Fixed(), [(outputs, None)])
    assert (result.max_abs_difference, result.mean_abs_difference) == (0, 0)
    finite = Fixed(lambda outputs: np.clip(outputs, -9, 9))
    result = verify(Fixed(), finite, [(outputs, None)])
    assert result.max_abs_difference == np.inf


def test_another_shape_is_an_error():
    with pytest.raises(ValueError, match=r"Received: \(3, 2\)"):
        verify(Fixed(), Fixed(lambda x: x[:, :2]), [(np.eye(3), None)])


def test_one_logit_means_yes_above_zero():
    outputs = np.array([[-2.0], [0.2], [0.4], [3.0]])
    labels = np.array([0, 1, 1, 1])
    halved = Fixed(lambda outputs: outputs / 2, "logits")
    result = verify(Fixed(kind="logits"), halved, [(outputs, labels)])
    assert (result.accuracy, result.keras_accuracy) == (1, 1)
    assert result.top1_agreement == 1
