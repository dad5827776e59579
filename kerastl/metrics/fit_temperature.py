"""The temperature at which a network is as sure as it is right."""

from typing import NamedTuple

import keras
import numpy as np

from kerastl.arguments import checked_model
from kerastl.data.batches import class_numbers
from kerastl.data.batches import labelled_batches
from kerastl.data.batches import predict_batch
from kerastl.surgery.class_outputs import class_outputs
from kerastl.types import Data

# Beyond these no network was seen; what is asked for there has no minimum.
_LEAST, _MOST = 0.05, 20.0
_HALVINGS = 60
# Of a normal variable, 95 % lie within so many standard errors.
_NINETY_FIVE = 1.96
# What a probability that was rounded to 0 stands for: of a softmax in float32,
# and of the complement of a sigmoid.
_TINY, _ROUNDED = 1e-38, 2.0**-25


class TemperatureFit(NamedTuple):
    """What `fit_temperature` found.

    Args:
        temperature: The temperature; above 1 the network is too sure.
        low: Lower end of its 95 % interval; `None` where there is none.
        high: Upper end of its 95 % interval; likewise.
        images: How many images it was fitted to.
        mistakes: How many of them the network names wrongly.
    """

    temperature: float
    low: float | None
    high: float | None
    images: int
    mistakes: int


def fit_temperature(
    model: keras.Model, data: Data, batch_size: int = 32
) -> TemperatureFit:
    """Finds the temperature at which labelled images are most likely.

        minimize over T:  -mean_i log softmax(logits_i / T)[label_i]

    Take images that the network was not trained on: it is surer of those that
    it was. The network stays as it is; `scale_temperature` divides its logits.

    Images that are all named rightly tell only that the network may be surer
    still, and have no finite minimum: the temperature stays 1 then, without
    an interval. There is none either where the minimum lies beyond the
    bounds, 0.05 and 20. The interval comes from the curvature of the
    likelihood, and is wide with few images.

    Args:
        model: A `keras.Model` that ends in a softmax, in logits, or in a
            sigmoid of one output.
        data: Labelled images: a tuple `(images, labels)` of arrays, or an
            iterable of such batches. Labels are integers or one-hot.
        batch_size: Batch size for arrays.

    Returns:
        A `TemperatureFit`.

    Raises:
        ValueError: If there are no images or no labels, a label is out of
            range, an output is not finite, or the outputs are no classes.

    Example:

    ```python
    found = kerastl.metrics.fit_temperature(model, (images, labels))
    print(f"{found.temperature:.2f} ({found.low} to {found.high})")
    ```

    Reference:
        Guo et al., "On Calibration of Modern Neural Networks", ICML 2017,
        section 4.2: temperature scaling.
    """
    kind = class_outputs(checked_model("model", model))
    outputs, labels = [], []
    for images, truth in labelled_batches(data, batch_size):
        outputs.append(np.asarray(predict_batch(model, images)))
        labels.append(class_numbers(truth))
    if not outputs:
        raise ValueError(
            "There are no images to fit the temperature to. Received: "
            f"data={type(data).__name__} without batches"
        )
    scores = class_logits(np.concatenate(outputs), kind)
    return best_temperature(scores, np.concatenate(labels))


def class_logits(outputs, kind):
    """float64 logits of the classes, up to a number that all of a row share.

    Args:
        outputs: Array `(count, classes)` or `(count, 1)`, what a network says.
        kind: What it is, as `class_outputs` returns it.
    """
    outputs = np.asarray(outputs, "float64")
    if kind == "sigmoid":
        outputs = outputs.clip(_ROUNDED, 1 - _ROUNDED)
        outputs = np.log(outputs) - np.log1p(-outputs)
    elif kind == "probabilities":
        outputs = np.log(outputs.clip(_TINY))
    if outputs.shape[-1] == 1:
        outputs = np.concatenate([np.zeros_like(outputs), outputs], axis=-1)
    return outputs


def tempered(logits, temperature):
    """Probabilities `(count, classes)` of logits at a temperature."""
    logits = logits / temperature
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def best_temperature(logits, labels) -> TemperatureFit:
    """As `fit_temperature`, of logits `(count, classes)` and classes."""
    count, classes = logits.shape
    if not np.isfinite(logits).all():
        raise ValueError(
            "The network's outputs must be finite for a temperature to be "
            "fitted: training may have diverged. Received: "
            f"{(~np.isfinite(logits)).any(axis=-1).sum()} of {count} images "
            "with others"
        )
    if len(labels) != count or labels.min() < 0 or labels.max() >= classes:
        raise ValueError(
            f"Labels must be one of {classes} classes an image. Received: "
            f"{len(labels)} labels from {labels.min()} to {labels.max()} for "
            f"{count} images"
        )
    mistakes = int((logits.argmax(axis=-1) != labels).sum())
    if not mistakes:
        return TemperatureFit(1.0, None, None, count, 0)
    truth = np.take_along_axis(logits, labels[:, None], axis=-1)[:, 0]

    def slope(inverse):
        """Of the loss by the inverse temperature, in which it is convex."""
        means = (tempered(logits, 1 / inverse) * logits).sum(axis=-1)
        return (means - truth).sum()

    low, high = 1 / _MOST, 1 / _LEAST
    if slope(low) >= 0:
        return TemperatureFit(_MOST, None, None, count, mistakes)
    if slope(high) <= 0:
        return TemperatureFit(_LEAST, None, None, count, mistakes)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if slope(middle) < 0 else (low, middle)
    temperature = 1 / low
    chances = tempered(logits, temperature)
    means = (chances * logits).sum(axis=-1, keepdims=True)
    curvature = (chances * (logits - means) ** 2).sum()
    # Of the logarithm, so that both ends are above 0.
    error = _NINETY_FIVE * temperature / np.sqrt(curvature)
    middle = np.log(temperature)
    ends = np.log(_LEAST), np.log(_MOST)
    least, most = (
        float(np.exp(np.clip(middle + each, *ends))) for each in (-error, error)
    )
    return TemperatureFit(float(temperature), least, most, count, mistakes)
