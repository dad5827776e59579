"""Labels as probabilities of the classes, for losses that change them."""

import keras
from keras import ops


def one_hot(y, predictions):
    """Integer labels as one-hot float32 ones; others as they are.

    Args:
        y: Labels, `(batch,)` or `(batch, 1)` integers, or `(batch, classes)`.
        predictions: Predictions `(batch, classes)`, or `(batch, 1)` of two
            classes.
    """
    # One output is the second of two classes.
    classes = max(predictions.shape[-1], 2)
    if len(y.shape) == 2 and y.shape[-1] == classes:
        return ops.cast(y, "float32")
    y = ops.reshape(ops.cast(y, "int32"), (-1,))
    return ops.one_hot(y, classes, dtype="float32")


def class_numbers(labels):
    """The classes of one-hot labels or predictions, or integers, in NumPy.

    Args:
        labels: `(batch, classes)`, or integers `(batch,)` or `(batch, 1)`.
    """
    labels = ops.convert_to_numpy(labels)
    if labels.ndim == 2 and labels.shape[1] > 1:
        labels = labels.argmax(-1)
    return labels.reshape(-1).astype("int32")


def one_hot_loss(loss):
    """The loss for one-hot labels that equals `loss` for integer ones.

    Raises:
        ValueError: If `loss` is not a cross-entropy of classes.
    """
    if isinstance(loss, (dict, list, tuple)) and len(loss) == 1:
        return keras.tree.map_structure(one_hot_loss, loss)
    loss = keras.losses.get(loss)
    if isinstance(loss, keras.losses.CategoricalCrossentropy) or (
        loss is keras.losses.categorical_crossentropy
    ):
        return loss
    if loss is keras.losses.sparse_categorical_crossentropy:
        return keras.losses.CategoricalCrossentropy()
    if isinstance(loss, keras.losses.SparseCategoricalCrossentropy):
        if loss.ignore_class is None:
            return keras.losses.CategoricalCrossentropy(
                from_logits=loss.from_logits,
                reduction=loss.reduction,
                name=loss.name,
            )
    raise ValueError(
        "A transfer loss that changes the labels needs "
        "'sparse_categorical_crossentropy' or 'categorical_crossentropy' as "
        f"the loss, without `ignore_class`. Received: loss={loss!r}"
    )
