"""The images that a report shows with their predictions."""

import heapq
import itertools

import numpy as np


def choose_examples(
    predict, batches, class_names, per_kind=10, max_images=512, files=None
):
    """Chooses images that were classified rightly and wrongly.

    Of the right ones, the first of each class; of the wrong ones, those that
    the network was surest of, because they teach most.

    Args:
        predict: Function from a batch of images to one score a class, such as
            `Runner.classify` of `kerastl.export`.
        batches: Iterable of batches `(images, labels)`.
        class_names: Names of the classes.
        per_kind: How many to choose at most, right and wrong each.
        max_images: How many images to look at at most.
        files: Names of the images, in the order of the batches, or `None`.

    Returns:
        List of pairs: the image as a `uint8` array, and a dict of `label`,
        `prediction`, `confidence`, `correct` and, where it has a name, `file`.
    """
    right, wrong = {}, []
    order = itertools.count()
    seen = 0
    for images, labels in batches:
        images, labels = np.asarray(images), np.asarray(labels)
        for place, (image, label, scores) in enumerate(
            zip(images, labels, predict(images), strict=True), start=seen
        ):
            best = int(np.argmax(scores))
            file = files[place] if files else None
            entry = _Entry(image, label, best, float(scores[best]), file)
            if best != label:
                item = (entry.confidence, next(order), entry)
                heapq.heappush(wrong, item)
                if len(wrong) > per_kind:
                    heapq.heappop(wrong)
            elif len(right) < per_kind:
                right.setdefault(int(label), entry)
        seen += len(images)
        if seen >= max_images:
            break
    chosen = [right[label] for label in sorted(right)]
    chosen += [entry for *_, entry in sorted(wrong, reverse=True)]
    return [entry.describe(class_names) for entry in chosen]


class _Entry:
    def __init__(self, image, label, prediction, confidence, file):
        self.image = np.clip(np.rint(image), 0, 255).astype("uint8")
        self.label = int(label)
        self.prediction = prediction
        self.confidence = confidence
        self.file = file

    def describe(self, class_names):
        return self.image, {
            "label": class_names[self.label],
            "prediction": class_names[self.prediction],
            "confidence": self.confidence,
            "correct": self.label == self.prediction,
            **({"file": self.file} if self.file else {}),
        }
