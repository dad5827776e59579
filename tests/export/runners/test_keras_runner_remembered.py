import numpy as np
import pytest

from kerastl.export import load
from kerastl.export.evaluate import confusion_matrix
from kerastl.export.runners.class_scores import collect_outputs
from kerastl.export.runners.keras_runner import RememberedRunner

pytestmark = pytest.mark.tensorflow_only


class Counted:
    """A runner of a real network that counts the images it is asked about."""

    def __init__(self, runner):
        self._runner, self.asked = runner, 0

    def __getattr__(self, name):
        return getattr(self._runner, name)

    def predict(self, images):
        self.asked += len(images)
        return self._runner.predict(images)


def test_the_same_images_are_run_once(cnn, evaluation):
    images = evaluation[0][:12]
    plain = load(cnn)
    counted = Counted(plain)
    runner = RememberedRunner(counted)
    assert load(runner) is runner
    first = runner.predict(images[:8])
    np.testing.assert_array_equal(first, plain.predict(images[:8]))
    # What a caller does to an answer is its own affair.
    first[:] = 0
    again = runner.classify(images[:8].astype("float64"))
    np.testing.assert_array_equal(again, plain.predict(images[:8]))
    assert counted.asked == 8
    # Other images, another order, another batch are others.
    for other in (images[8:], images[:8][::-1], images[:4]):
        np.testing.assert_array_equal(
            runner.predict(other), plain.predict(other)
        )
    assert counted.asked == 24
    attributes = "format", "kind", "input_shape", "num_classes", "threads"
    for name in (*attributes, "input", "output"):
        assert getattr(runner, name) == getattr(plain, name)
    runner.prepare(images[:1])()


def test_all_outputs_and_what_was_taken_for_what(cnn, evaluation):
    images, labels = evaluation
    batches = [(images[:30], labels[:30]), (images[30:], labels[30:])]
    runner = load(cnn)
    outputs, found = collect_outputs(runner, batches)
    np.testing.assert_array_equal(found, labels)
    np.testing.assert_allclose(outputs, runner.predict(images), atol=1e-6)
    matrix = confusion_matrix(outputs, found, runner.kind)
    best = outputs.argmax(-1)
    for truth in range(4):
        for taken in range(4):
            expected = np.sum((labels == truth) & (best == taken))
            assert matrix[truth, taken] == expected


def test_one_output_is_two_classes():
    outputs = np.array([[0.2], [0.5], [0.51], [0.9]], "float32")
    matrix = confusion_matrix(outputs, np.array([0, 1, 1, 0]), "sigmoid")
    np.testing.assert_array_equal(matrix, [[1, 1], [1, 1]])
