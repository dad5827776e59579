"""Compares what was written with the Keras model, image by image."""

import dataclasses

import numpy as np

from kerastl.export.class_scores import predicted


@dataclasses.dataclass
class Comparison:
    """What the same images gave in Keras and in the file."""

    num_images: int
    max_abs_difference: float
    mean_abs_difference: float
    top1_agreement: float
    accuracy: float | None
    keras_accuracy: float | None
    accuracy_drop: float | None


def verify(reference, runner, batches):
    """Runs every image through both and compares the outputs.

    Args:
        reference: `Runner` of the Keras model.
        runner: `Runner` of the file.
        batches: Iterable of `(images, labels)`; labels may be `None`.

    Returns:
        A `Comparison`; its accuracies are `None` without labels.

    Raises:
        ValueError: If the model or the file returns NaN, or the file another
            shape.
    """
    num_images = num_values = 0
    largest = total = 0.0
    agreed, right, keras_right, labelled = 0, 0, 0, 0
    for images, labels in batches:
        expected, received = reference.predict(images), runner.predict(images)
        if received.shape != expected.shape:
            raise ValueError(
                "The written file does not compute what the model does: "
                f"expected outputs of shape {expected.shape}. "
                f"Received: {received.shape}"
            )
        if np.isnan(expected).any():
            # Beside it nothing that the file returns could be judged.
            raise ValueError(
                "The Keras model itself returns NaN, so that there is nothing "
                "to compare the file with. Look at the images and at the "
                "weights: training may have diverged. Received: NaN for "
                f"{np.isnan(expected).any(axis=-1).sum()} of "
                f"{len(expected)} images"
            )
        if np.isnan(received).any():
            raise ValueError(
                "The written file returns NaN where the model does not. "
                "Choose a scheme with a wider range, such as 'float32'. "
                f"Received: NaN for {np.isnan(received).any(axis=-1).sum()} "
                f"of {len(received)} images"
            )
        # Two that are infinite alike do not differ.
        difference = np.abs(
            np.subtract(
                received,
                expected,
                out=np.zeros_like(expected),
                where=received != expected,
            )
        )
        largest = max(largest, float(difference.max()))
        total += float(difference.sum(dtype="float64"))
        num_images += len(images)
        num_values += difference.size
        # The network is the same, and Keras knows best what it ends in.
        classes = predicted(received, reference.kind)
        keras_classes = predicted(expected, reference.kind)
        agreed += int((classes == keras_classes).sum())
        if labels is not None:
            labelled += len(labels)
            right += int((classes == labels).sum())
            keras_right += int((keras_classes == labels).sum())
    accuracy = right / labelled if labelled else None
    keras_accuracy = keras_right / labelled if labelled else None
    return Comparison(
        num_images=num_images,
        max_abs_difference=largest,
        mean_abs_difference=total / num_values,
        top1_agreement=agreed / num_images,
        accuracy=accuracy,
        keras_accuracy=keras_accuracy,
        accuracy_drop=keras_accuracy - accuracy if labelled else None,
    )
