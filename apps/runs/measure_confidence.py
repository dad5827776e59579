"""How sure the network of a run is, and how sure it may be."""

import keras
import numpy as np

from kerastl.export.collect_outputs import collect_outputs
from kerastl.metrics import expected_calibration_error
from kerastl.metrics.fit_temperature import best_temperature
from kerastl.metrics.fit_temperature import class_logits
from kerastl.metrics.fit_temperature import tempered
from kerastl.surgery.adjust_logits import scalable_head
from kerastl.surgery.class_outputs import class_outputs
from kerastl.surgery.class_outputs import class_probabilities


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
