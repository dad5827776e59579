"""How good a network is on images it has not seen."""

import numpy as np

from kerastl.export import load
from kerastl.metrics import shift_consistency
from kerastl.surgery.class_means import unit_rows
from kerastl.surgery.embed import embed


def evaluation_part(data):
    """The part of an `apps.ImageData` that a run is measured on.

    Raises:
        ValueError: If there is none.
    """
    for part in ("test", "validation"):
        if part in data.parts:
            return part
    raise ValueError(
        "There are no images left to measure on: the classes are so small "
        "that none could be set aside. Add images, or make a `test` folder "
        f"beside `train`. Received: counts={data.counts}"
    )


def measure(predict, data, part, shifted=None, passes=5):
    """Measures the accuracy and the shift consistency of a network.

    Args:
        predict: Function from a batch of images to one score a class, such as
            `Runner.classify` of `kerastl.export`.
        data: An `apps.ImageData`.
        part: Part to measure on, such as `"test"`.
        shifted: Images of the part with room for shifts, as
            `data.larger_images` returns them, for networks that are measured
            on the same. `None` takes all.
        passes: Passes over these images, with new shifts each.

    Returns:
        Dict of `accuracy`, on the centre crops, and `consistency`.
    """
    right = count = 0
    for images, labels in getattr(data, part):
        right += np.sum(predict(np.asarray(images)).argmax(-1) == labels)
        count += len(labels)
    if shifted is None:
        shifted, _ = data.larger_images(part)
    return {
        "accuracy": float(right / count),
        "consistency": shift_consistency(
            lambda crops: predict(crops.astype("float32")),
            shifted,
            data.image_size,
            passes=passes,
        ),
    }


def measure_before(
    source, make_student, keep_head, antialias, data, part, options
):
    """Measures what there is before a training, for the report.

    Args:
        source: The network that the weights came with.
        make_student: Function that returns a new student, and something else.
        keep_head: Whether the source knows the classes already; if not, its
            features are measured by the nearest class mean.
        antialias: Whether the student is blurred.
        data: An `apps.ImageData`.
        part: As in `measure`.
        options: Dict of the other arguments of `measure`.

    Returns:
        List of dicts as `measure` returns them, each with its `label`.
    """
    if not keep_head:
        before = ClassMeans(source, data.calibration, data.num_classes)
        label = "Before: source features, nearest class mean"
        return [{"label": label, **measure(before, data, part, **options)}]
    networks = {"Before: as the weights came": source}
    if antialias:
        networks["Blurred, not yet trained"], _ = make_student()
    return [
        {
            "label": label,
            **measure(load(network).classify, data, part, **options),
        }
        for label, network in networks.items()
    ]


class ClassMeans:
    """Classifies by the nearest class mean of a network's last features.

    The baseline that a run starts from when the task is new to its source: no
    weight is trained. The features are those before the head, scaled to unit
    length.

    Args:
        source: The source network; it is left as it is.
        batches: Iterable of batches `(images, labels)`.
        num_classes: Number of classes.

    Example:

    ```python
    before = ClassMeans(source, train, num_classes=10)
    consistency = kerastl.metrics.shift_consistency(before, images, 96)
    ```
    """

    def __init__(self, source, batches, num_classes):
        self._runner = load(embed(source))
        sums = 0.0
        for images, labels in batches:
            marks = np.eye(num_classes)[np.asarray(labels)]
            sums = sums + marks.T @ self._features(images)
        self._means = unit_rows(sums)

    def __call__(self, images):
        """Returns one score a class: the cosine to the class mean."""
        return self._features(images) @ self._means.T

    def _features(self, images):
        return unit_rows(self._runner.predict(np.asarray(images)))
