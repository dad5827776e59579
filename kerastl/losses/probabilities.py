"""What a network predicts, as probabilities, whatever its output is."""

from keras import ops


def reads_logits(tuner):
    """Whether the loss of a compiled tuner takes the output for logits."""
    return bool(getattr(tuner.loss, "from_logits", False))


def output_probabilities(predictions, logits):
    """float32 probabilities `(batch, classes)`.

    Args:
        predictions: Output of the network `(batch, classes)`.
        logits: Whether they are logits.
    """
    predictions = ops.cast(predictions, "float32")
    return ops.softmax(predictions) if logits else predictions
