"""A classifier's weights changed, so that its answers are.

For it all classes are equally frequent, or it is as sure as it is right.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras
import numpy as np
from keras import ops

from kerastl.arguments import checked_model
from kerastl.arguments import checked_number
from kerastl.surgery.find_head import find_head
from kerastl.surgery.head_weights import answering_head
from kerastl.surgery.plain_weights import is_plain

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


def adjust_logits(
    model: keras.Model,
    counts: dict[str, int] | ArrayLike,
    strength: float = 1.0,
) -> None:
    """Takes how frequent each class was in training out of the answers.

    A classifier that saw 60 coats and 3 hats says hat too seldom: its
    probabilities hold the shares of the classes in its training. The logarithm
    of each class's share leaves the bias of the classifier, in place, so that
    the network costs nothing more:

        logits_c - strength * log(counts_c / sum counts)

    With the same number of images of every class only the common part moves,
    and the probabilities stay.

    Args:
        model: The trained network, a `keras.Model` that ends in a softmax, or
            in a sigmoid of one output.
        counts: Training images of each class, in the order of the classes,
            or a dict of them in this order; of one output those of no and of
            yes.
        strength: 1 makes up for the whole share, 0 for none of it; -1 takes
            back what 1 did.

    Raises:
        ValueError: If the classifier has no bias, or is none that
            `kerastl.replace_head` makes; if a class has no image.

    Example:

    ```python
    tuner.fit(photos.train, epochs=20)
    kerastl.surgery.adjust_logits(
        tuner.student, photos.counts["train"]
    )
    ```

    Reference:
        Menon et al., "Long-tail learning via logit adjustment", ICLR 2021,
        section 4.1: the post-hoc adjustment.
    """
    strength = checked_number("strength", strength)
    outputs = _num_outputs(model)
    head, scale = answering_head(model)
    counts = _checked_counts(counts, max(outputs, 2))
    if head.bias is None:
        raise ValueError(
            "The classifier has no bias, which is what is adjusted. "
            "`kerastl.replace_head` makes one that has. "
            f"Received: layer={head.name!r} of {model.name!r}"
        )
    shares = strength * np.log(counts / counts.sum())
    if outputs == 1:
        shares = shares[1:] - shares[:1]
    bias = ops.convert_to_numpy(head.bias).astype("float64")
    head.bias.assign(bias - shares / scale)


def _num_outputs(model):
    # Refuses what has no graph, or several outputs.
    find_head(checked_model("model", model))
    return model.outputs[0].shape[-1]


def _checked_counts(counts, classes):
    given = counts
    if isinstance(counts, dict):
        counts = list(counts.values())
    try:
        counts = np.asarray(counts, "float64")
    except (TypeError, ValueError):
        counts = np.zeros(0)
    if (
        counts.shape != (classes,)
        or not (counts > 0).all()
        or not np.isfinite(counts).all()
    ):
        raise ValueError(
            f"`counts` takes the training images of each of {classes} classes, "
            "and every class needs at least one. "
            f"Received: counts={given!r}"
        )
    return counts


def scale_temperature(model: keras.Model, temperature: float) -> None:
    """Divides a network's logits by a temperature, in place.

        softmax(logits / temperature)

    Kernel and bias of the classifier are divided, so that the network costs
    nothing more and every file that is written from it has the temperature
    too. Above 1 the answers become less sure, below 1 more; which class comes
    first does not change.

    Args:
        model: The trained network, a `keras.Model` that ends in a softmax, in
            logits, or in a sigmoid of one output.
        temperature: Number above 0, such as `fit_temperature` finds. 1 leaves
            the network as it is; 1 / T takes back what T did.

    Raises:
        ValueError: If the network does not end in a plain classifier (one
            that is quantized, has LoRA, or was made ready for int8 by
            `kerastl.export.quantization_aware` keeps its own scale).

    Example:

    ```python
    found = kerastl.metrics.fit_temperature(model, photos.validation)
    kerastl.surgery.scale_temperature(model, found.temperature)
    ```

    Reference:
        Guo et al., "On Calibration of Modern Neural Networks", ICML 2017,
        section 4.2: temperature scaling.
    """
    temperature = checked_number("temperature", temperature, above=0)
    head = scalable_head(checked_model("model", model))
    for variable in (head.kernel, head.bias):
        if variable is not None:
            values = ops.convert_to_numpy(variable).astype("float64")
            variable.assign(values / temperature)


def scalable_head(model):
    """The layer whose weights `scale_temperature` divides.

    Raises:
        ValueError: As `scale_temperature`.
    """
    head, _ = answering_head(model)
    # Of a network that trains with rounding, the ranges would stay.
    rounds = hasattr(head, "quantized_activation")
    if rounds or not is_plain(head):
        raise ValueError(
            "The classifier computes with another kernel than the one that it "
            "stores: it is quantized, or has LoRA. Divide the network that it "
            "was made from. "
            f"Received: layer={head.name!r} of {model.name!r}"
        )
    return head
