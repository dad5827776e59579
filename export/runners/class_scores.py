"""From the outputs of a classifier to its classes."""

import numpy as np

from kerastl.export.runners.file_graph import MOVES

# The last operators of files that tell what one output is. Others, such as a
# division, may end a sigmoid in plain arithmetic.
_SIGMOIDS = frozenset(("LOGISTIC", "Sigmoid", "HardSigmoid"))
_SUMS = frozenset(
    (
        *("ADD", "CONV_2D", "FULLY_CONNECTED", "MEAN"),
        *("Add", "Conv", "Gemm", "MatMul", "GlobalAveragePool", "ReduceMean"),
    )
)
_IMAGES = 8


def class_scores(outputs, kind):
    """Returns one score a class: two of them for one output.

    Args:
        outputs: Array of shape `(n, num_classes)` or `(n, 1)`.
        kind: What one output is, "sigmoid" or "logits", as `Runner.kind`
            tells. The scores of several classes are left as they are.

    Returns:
        Array of shape `(n, classes)`; of one output, the probabilities of no
        and of yes.
    """
    if outputs.shape[-1] != 1:
        return outputs
    if kind == "logits":
        # Of the absolute value, whose exponential cannot overflow.
        small = np.exp(-np.abs(outputs))
        outputs = np.where(outputs < 0, small, 1) / (1 + small)
    return np.concatenate([1 - outputs, outputs], axis=-1)


def predicted(outputs, kind):
    """Returns class indices; see `class_scores`.

    One output means yes from a probability of more than one half: more than
    0.5 behind a sigmoid, more than 0 of a logit.
    """
    return class_scores(outputs, kind).argmax(axis=-1)


def kind_in_file(operators):
    """What one output is, by a file's operators from its end.

    Args:
        operators: Types of operators; the last of the file comes first.

    Returns:
        "sigmoid", "logits", or `None` where they do not tell.
    """
    for operator in operators:
        if operator in _SIGMOIDS:
            return "sigmoid"
        if operator not in MOVES:
            return "logits" if operator in _SUMS else None
    return None


def kind_by_values(predict, input_shape):
    """What one output is, by what comes out for random images."""
    generator = np.random.default_rng(0)
    images = generator.uniform(0, 255, (_IMAGES, *input_shape))
    outputs = predict(images.astype("float32"))
    inside = outputs.min() >= 0 and outputs.max() <= 1
    return "sigmoid" if inside else "logits"


def collect_outputs(runner, batches):
    """Runs a network on all images.

    Args:
        runner: `Runner` of the network.
        batches: Iterable of `(images, labels)`.

    Returns:
        float32 array of outputs `(count, num_classes)` and int64 array of
        labels `(count,)`, in the order of the images.
    """
    outputs, labels = [], []
    for images, truth in batches:
        outputs.append(runner.predict(images))
        labels.append(np.asarray(truth, "int64"))
    return np.concatenate(outputs), np.concatenate(labels)
