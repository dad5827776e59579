"""What `FineTuner` refuses, before any work is done.

And images that are no numbers, which must not go unnoticed.
"""

import keras
import numpy as np
from keras import ops

from kerastl.arguments import checked_model
from kerastl.surgery.default_taps import default_taps
from kerastl.surgery.find_head import find_head
from kerastl.surgery.graph import is_graph
from kerastl.surgery.graph import read_graph
from kerastl.surgery.graph import walk


def check_models(student, source):
    """A student, and a source or none."""
    checked_model("student", student)
    if source is not None:
        checked_model("source", source)


def check_inputs(student, source):
    """Models with graphs, that take the same images."""
    shapes = [
        [
            tuple(tensor.shape)
            for tensor in keras.tree.flatten(read_graph(model).inputs)
        ]
        for model in (student, source)
    ]
    if len(shapes[0]) != len(shapes[1]) or not all(
        _fits(a, b) for a, b in zip(*shapes, strict=True)
    ):
        raise ValueError(
            "Student and source see the same images, so their inputs must "
            "have the same shape. "
            f"Received: student input={shapes[0]}, source input={shapes[1]}"
        )


def check_taps_have_a_source(taps):
    """No taps of a tuner that has no source."""
    if taps:
        raise ValueError(
            "Taps are where the student is compared with its source, so "
            f"they need one. Pass `source=...`. Received: taps={taps}, "
            "source=None"
        )


def check_taps(taps, student, source):
    """Features of the same shape at every tap."""
    differing = [
        f"{tap}: student {tuple(student[tap].shape)}, "
        f"source {tuple(source[tap].shape)}"
        for tap in taps
        if not _fits(student[tap].shape, source[tap].shape)
    ]
    if differing:
        raise ValueError(
            "Student and source must have features of the same shape at "
            "every tap. In an anti-aliased student the layers in front of a "
            "blur have larger maps than in the source: take the blur's "
            "reader, or the end of the stage. Received:\n  "
            + "\n  ".join(differing)
        )


def embedding_taps(embedding, student, source):
    """Names of the layers that the heads of student and source read.

    `None` stands for a network that has none, or none with a name of its own.
    """
    if isinstance(embedding, str):
        embedding = (embedding, embedding)
    if embedding is None:
        embedding = (_embedding_tap(student), _embedding_tap(source))
    return list(embedding)


def _embedding_tap(model):
    if not is_graph(model):
        return None
    try:
        tap = find_head(model).tap
    except ValueError:
        # Several outputs or classifiers: whether that matters is for the
        # losses to say, `check_losses` asks them.
        return None
    calls = [node.operation.name for _, node in walk(model)]
    return tap if calls.count(tap) == 1 else None


def default_taps_or_reason(source, student):
    """The default taps, or none and why: only some losses need them."""
    try:
        return default_taps(source, student), None
    except ValueError as error:
        return [], str(error)


def check_reestimation(x):
    """Data that statistics are re-estimated on, which is read once more."""
    if iter(x) is x:
        raise ValueError(
            "BatchNormalization statistics are re-estimated on the "
            "training data after training, and a generator can be read "
            "only once. Pass arrays or a `tf.data.Dataset`, or choose "
            f"another `batch_norm` policy. Received: x={x!r}"
        )


def weight_decay_conflict(optimizer, student):
    """What is wrong with the optimizer's weight decay, or `None`."""
    if not getattr(optimizer, "weight_decay", None):
        return None
    pulled = [
        variable.path
        for variable in student.trainable_variables
        if getattr(variable.regularizer, "anchor", None) is not None
        and optimizer._use_weight_decay(variable)
    ]
    if not pulled:
        return None
    return (
        "The optimizer's weight decay pulls toward zero the same weights "
        "that L2-SP pulls toward their starting point. Build the optimizer "
        "with `weight_decay=None`, or call "
        "`optimizer.exclude_from_weight_decay(var_list=[...])` on them. "
        f"Received: weight_decay={optimizer.weight_decay}, "
        f"{len(pulled)} weights with L2-SP, such as {pulled[0]!r}"
    )


def _fits(a, b):
    return len(a) == len(b) and all(
        i == j or i is None or j is None for i, j in zip(a, b, strict=True)
    )


def nan_unless_finite(images):
    """0, or NaN if any value of `images` is NaN or infinite.

    Added to a loss it makes broken images show. A ReLU or a maximum turns NaN
    into a number, on some devices, and the loss would look like any other.

    Args:
        images: A tensor, or a structure of tensors; whole numbers are finite.

    Returns:
        A float32 scalar.
    """
    total = ops.zeros((), "float32")
    for values in keras.tree.flatten(images):
        if keras.backend.is_float_dtype(values.dtype):
            finite = ops.all(ops.isfinite(values))
            total = total + ops.where(finite, 0.0, float("nan"))
    return total


def check_finite_images(images):
    """Raises an error if a NumPy array of images holds no numbers somewhere.

    What is not there yet, a dataset or a generator, is not looked at.

    Args:
        images: An array whose first axis counts the images, or a dict or
            list of such, or anything else.

    Raises:
        ValueError: If a value is NaN or infinite.
    """
    arrays = [images]
    if isinstance(images, (dict, list, tuple)):
        arrays = keras.tree.flatten(images)
    for values in arrays:
        if not isinstance(values, np.ndarray) or values.dtype.kind != "f":
            continue
        # A sum needs no copy; it may also overflow, so that is looked at.
        with np.errstate(over="ignore", invalid="ignore"):
            if not values.size or np.isfinite(values.sum(dtype="float64")):
                continue
        finite = np.isfinite(values.reshape(len(values), -1)).all(axis=1)
        broken = np.flatnonzero(~finite)
        if len(broken):
            raise ValueError(
                "The images hold values that are NaN or infinite, from which "
                "nothing can be learned. Look at how they are read and "
                "scaled: a division by a range of zero makes NaN. "
                f"Received: {len(broken)} such images of {len(values)}, the "
                f"first at index {broken[0]}"
            )
