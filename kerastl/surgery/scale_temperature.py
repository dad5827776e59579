"""A classifier that is as sure as it is right."""

import keras
from keras import ops

from kerastl.arguments import checked_model
from kerastl.arguments import checked_number
from kerastl.surgery.head_weights import answering_head
from kerastl.surgery.plain_weights import is_plain


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
