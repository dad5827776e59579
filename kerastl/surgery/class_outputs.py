"""What the outputs of a classifier say of the classes, whatever they are."""

import re

import keras
from keras import ops

from kerastl.surgery.output_kind import output_kind

# Losses of numbers. With a softmax in front they train classes all the same.
_OF_NUMBERS = {
    "cosine_similarity",
    "huber",
    "log_cosh",
    "mean_absolute_error",
    "mean_absolute_percentage_error",
    "mean_squared_error",
    "mean_squared_logarithmic_error",
    "poisson",
}
# Losses of Keras that say nothing of logits: they take probabilities.
_OF_PROBABILITIES = {
    "binary_crossentropy",
    "binary_focal_crossentropy",
    "categorical_crossentropy",
    "categorical_focal_crossentropy",
    "sparse_categorical_crossentropy",
}


def class_outputs(model, loss=None):
    """How the outputs of a classifier become probabilities of its classes.

    The network itself tells, see `kerastl.surgery.output_kind`: a loss may
    hide in a function what it takes its input for. The loss is asked only
    where the network does not tell.

    Args:
        model: The classifier, a `keras.Model`.
        loss: The loss that it was compiled with, if any.

    Returns:
        `"probabilities"`, `"sigmoid"` (of one output) or `"logits"`, for
        `class_probabilities`.

    Raises:
        ValueError: If the outputs are maps, or numbers and not classes, or it
            cannot be told what they are.
    """
    kind = check_classes(model, loss)
    shape = _shape(model)
    if shape is not None and len(shape) != 2:
        raise ValueError(
            "A network that tells classes gives one number a class for every "
            "image. Give this one a classifier, as `kerastl.replace_head` "
            "does, or pass weights with theirs. "
            f"Received: model={model.name!r} with outputs of shape {shape}"
        )
    _, from_logits = _read_loss(loss)
    if kind is None and from_logits is not None:
        kind = "logits" if from_logits else "probabilities"
        if kind == "probabilities" and _width(model) == 1:
            kind = "sigmoid"
    if kind is None:
        raise ValueError(
            "It cannot be told whether the network's outputs are probabilities "
            "or logits. End it in a `keras.layers.Softmax`, or compile with a "
            "loss object that says it, such as `keras.losses."
            "SparseCategoricalCrossentropy(from_logits=True)`. "
            f"Received: model={model.name!r}, loss={loss!r}"
        )
    width = _width(model)
    if kind != "logits" and width and (kind == "sigmoid") != (width == 1):
        raise ValueError(
            "Several classes take a softmax, whose probabilities sum to 1, and "
            "one output, the second of two classes, takes a sigmoid. "
            f"Received: model={model.name!r} with {width} outputs and "
            f"a {'sigmoid' if kind == 'sigmoid' else 'softmax'}"
        )
    return kind


def check_classes(model, loss):
    """Refuses a network that is trained to predict numbers, not classes.

    Args:
        model: A `keras.Model`.
        loss: The loss that it was compiled with.

    Returns:
        What `kerastl.surgery.output_kind` says of the network.

    Raises:
        ValueError: If the loss is one of numbers, and no softmax or sigmoid
            stands in front of it.
    """
    name, _ = _read_loss(loss)
    kind = output_kind(model)
    if kind in ("logits", None) and name in _OF_NUMBERS:
        raise ValueError(
            "Labels are read as classes, and the network predicts numbers. "
            "Leave out what needs classes, or end the network in a softmax. "
            f"Received: loss={name!r}, model={model.name!r} without a softmax"
        )
    return kind


def class_probabilities(outputs, kind):
    """float32 probabilities `(batch, classes)` that sum to 1.

    One output is the probability of the second of two classes.

    Args:
        outputs: Output of the network `(batch, classes)` or `(batch, 1)`,
            perhaps in a dict or list of one.
        kind: What they are, as `class_outputs` returns it.
    """
    (outputs,) = keras.tree.flatten(outputs)
    outputs = ops.cast(outputs, "float32")
    if outputs.shape[-1] == 1:
        if kind == "logits":
            outputs = ops.sigmoid(outputs)
        return ops.concatenate([1 - outputs, outputs], axis=-1)
    return ops.softmax(outputs) if kind == "logits" else outputs


def _width(model):
    """Numbers that the network gives for an image, `None` if unknown."""
    shape = _shape(model)
    return None if shape is None else shape[-1]


def _shape(model):
    """Shape of the one output, `None` if unknown."""
    outputs = keras.tree.flatten(getattr(model, "outputs", None) or [])
    return tuple(outputs[0].shape) if len(outputs) == 1 else None


def _read_loss(loss):
    """The name of a loss, and whether it takes logits, `None` if unknown."""
    flat = keras.tree.flatten(loss)
    if len(flat) != 1 or flat[0] is None:
        return None, None
    loss = keras.losses.get(flat[0])
    name = getattr(loss, "__name__", type(loss).__name__)
    name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
    known = False if name in _OF_PROBABILITIES else None
    return name, getattr(loss, "from_logits", known)
