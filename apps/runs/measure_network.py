"""How good a network is on images it has not seen, and how sure."""

import keras
import numpy as np

from kerastl.export import load
from kerastl.export.runners.class_scores import collect_outputs
from kerastl.metrics import expected_calibration_error
from kerastl.metrics import shift_consistency
from kerastl.metrics.fit_temperature import best_temperature
from kerastl.metrics.fit_temperature import class_logits
from kerastl.metrics.fit_temperature import tempered
from kerastl.surgery.adjust_logits import scalable_head
from kerastl.surgery.class_outputs import class_outputs
from kerastl.surgery.class_outputs import class_probabilities
from kerastl.surgery.feature_extractor import embed
from kerastl.surgery.imprint_head import unit_rows


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


def accuracy_on(model, data, part):
    """The accuracy of a network on a part of the data.

    Args:
        model: A classifier; images are resized where it takes others.
        data: An `apps.ImageData`.
        part: Part to measure on, such as `"validation"`.
    """
    right = count = 0
    kind = class_outputs(model)
    size = model.input_shape[1:3]
    for images, labels in getattr(data, part):
        images = np.asarray(images)
        if None not in size and images.shape[1:3] != size:
            images = keras.ops.image.resize(images, size)
        scores = class_probabilities(model.predict_on_batch(images), kind)
        scores = keras.ops.convert_to_numpy(scores)
        right += np.sum(scores.argmax(-1) == np.asarray(labels))
        count += len(labels)
    return float(right / count)


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


def measure_confidence(network, runner, data, part):
    """Measures the confidence of a network, and fits a temperature to it.

    Args:
        network: The trained network.
        runner: `Runner` of it.
        data: The `apps.ImageData`.
        part: Part of the data to measure on.

    Returns:
        Dict for `report.json`: `expected_calibration_error` on `part`, its
        `num_images`, and, where there are validation images, what
        `fit_temperature` found on them (`temperature`, `low`, `high`,
        `images`, `mistakes`) and the error `scaled` that it leads to.
        `None` where the network's outputs are not those of one class an
        image.
    """
    try:
        kind = class_outputs(network)
    except ValueError:
        return None
    outputs, labels = collect_outputs(runner, getattr(data, part))
    found = {
        "part": part,
        "num_images": len(labels),
        "expected_calibration_error": expected_calibration_error(
            _probabilities(outputs, kind), labels
        ),
        "folded": False,
    }
    if "validation" not in data.parts:
        return found
    fitted_to = outputs, labels
    if part != "validation":
        fitted_to = collect_outputs(runner, data.validation)
    fit = best_temperature(class_logits(fitted_to[0], kind), fitted_to[1])
    scaled = tempered(class_logits(outputs, kind), fit.temperature)
    return {
        **found,
        **fit._asdict(),
        "scaled": expected_calibration_error(scaled, labels),
    }


def check_calibration(calibrate, student, data, qat):
    """Raises `ValueError` if a run cannot calibrate what it ships.

    Args:
        calibrate: Whether it is asked to.
        student: The network to train, its head in place.
        data: The `apps.ImageData`.
        qat: Epochs of quantization-aware training, or `None`.
    """
    if not calibrate:
        return
    if "validation" not in data.parts:
        raise ValueError(
            "The temperature is fitted to validation images, and there are "
            "none. Add images, or a `validation` folder beside `train`, or "
            "leave `calibrate_confidence` (--calibrate-confidence) out. "
            f"Received: counts={data.counts}"
        )
    if qat is not None:
        raise ValueError(
            "The copy that quantization-aware training makes learns a "
            "confidence of its own, which no temperature of the network says. "
            "Leave `calibrate_confidence` (--calibrate-confidence) or `qat` "
            f"(--qat) out. Received: calibrate_confidence=True, qat={qat}"
        )
    scalable_head(student)
    class_outputs(student)


def _probabilities(outputs, kind):
    found = class_probabilities(np.asarray(outputs), kind)
    return keras.ops.convert_to_numpy(found)
