"""What the numbers are that a network ends in, measured on random scores.

Neither names nor types are asked: a softmax is a layer, an activation, an
operation, a line of arithmetic or a user's own layer. Its outputs are positive
and sum to 1 whatever goes in.
"""

import math
from typing import NamedTuple

import numpy as np

PROBABILITIES = "probabilities"
SIGMOID = "sigmoid"
LOGITS = "logits"
OTHER = "other"

# Spreads of the scores that are tried: a low temperature makes probabilities
# of 0 and 1.
_SPREADS = (1.0, 0.03, 1e-3)
# What is linear up to 1 may bend beyond: a hard sigmoid, a clipping.
_WIDE = 10.0
_ROWS = 8
# Numbers that are drawn at most, but for one example.
_MOST_SCORES = 2**20


class ScoreKind(NamedTuple):
    """What a function makes of scores.

    Args:
        name: `"probabilities"` (their logarithms included), `"sigmoid"`,
            `"logits"` or `"other"`.
        scale: the factor of the scores that the softmax, the sigmoid or the
            output reads: 1 over the temperature. `None` where no one factor
            says it, such as behind a normalization.
    """

    name: str
    scale: float | None


def score_kind(function, shape, axis=-1, half=False) -> ScoreKind:
    """Tells what `function` makes of scores.

    Args:
        function: takes a float32 array `(batch, *shape)` of scores and
            returns an array of outputs.
        shape: shape of one example's scores.
        axis: axis of the classes, in scores and in outputs that have the rank
            of the scores.
        half: whether the function computes in half precision.
    """
    near = 3e-2 if half else 1e-3
    rows = max(1, min(_ROWS, _MOST_SCORES // max(math.prod(shape), 1)))
    found = ScoreKind(OTHER, None)
    for spread in _SPREADS:
        generator = np.random.default_rng(0)
        scores = generator.uniform(-spread, spread, (rows, *shape))
        scores = scores.astype("float32")
        outputs = np.asarray(function(scores))
        kind = _kind(scores, outputs, axis, near)
        if kind.name == LOGITS:
            wide = scores * np.float32(_WIDE)
            return _unless_bent(kind, wide, function(wide), axis, near)
        if kind.scale is not None:
            return kind
        if found.name == OTHER:
            found = kind
        if not _is_saturated(outputs):
            # Another spread may hide what is not linear here: a clipping, an
            # epsilon.
            break
    return found


def sums_to_constant(outputs, axis=-1) -> bool:
    """Whether outputs are probabilities, or several of them side by side."""
    sums = outputs.astype("float64").sum(axis)
    near = 1e-3 * max(1.0, abs(sums.flat[0]))
    return (
        bool(np.isfinite(sums).all() and (outputs >= 0).all())
        and bool(sums.flat[0] > 0.5)
        and bool((np.abs(sums - np.round(sums.flat[0])) < near).all())
    )


def _unless_bent(kind, scores, outputs, axis, near):
    """Logits of small scores, and what they are where large ones bend."""
    outputs = np.asarray(outputs)
    if _kind(scores, outputs, axis, near).name == LOGITS:
        return kind
    in_range = ((outputs >= 0) & (outputs <= 1)).all()
    return ScoreKind(SIGMOID if in_range else LOGITS, None)


def _is_saturated(outputs):
    """Whether these may be probabilities, some of them rounded to 0 or 1."""
    in_range = ((outputs >= 0) & (outputs <= 1)).all()
    return bool(in_range and ((outputs == 0) | (outputs == 1)).any())


def _kind(scores, outputs, axis, near):
    outputs = outputs.astype("float64")
    if not np.isfinite(outputs).all():
        return ScoreKind(OTHER, None)
    own_axis = axis if outputs.ndim == scores.ndim else -1
    read = _as_outputs(scores.astype("float64"), outputs, axis)
    with np.errstate(divide="ignore", over="ignore"):
        for values, logarithms in (
            (outputs, np.log(np.maximum(outputs, 0))),
            (np.exp(outputs), outputs),
        ):
            sums = values.sum(own_axis)
            if (values >= 0).all() and np.all(np.abs(sums - 1) < near):
                scale = _factor(read, logarithms, own_axis, near)
                return ScoreKind(PROBABILITIES, scale)
        if ((outputs > 0) & (outputs < 1)).all():
            odds = np.log(outputs) - np.log1p(-outputs)
            scale = _factor(read, odds, None, near)
            if scale is not None:
                return ScoreKind(SIGMOID, scale)
        scale = _factor(read, outputs, None, near)
    return ScoreKind(OTHER if scale is None else LOGITS, scale)


def _as_outputs(scores, outputs, axis):
    """The scores in the shape of the outputs, averaged over space if need be.

    `None` where the outputs are something else.
    """
    if scores.size == outputs.size:
        return scores.reshape(outputs.shape)
    if scores.ndim == 4:
        space = (2, 3) if axis == 1 else (1, 2)
        scores = scores.mean(space)
        if scores.size == outputs.size:
            return scores.reshape(outputs.shape)
    return None


def _factor(scores, values, axis, near):
    """The one positive `a` with `values = a * scores + b`, or `None`.

    `b` may differ by row with an `axis`, as the logarithm of the sum in a
    softmax does.
    """
    if scores is None or not np.isfinite(values).all():
        return None
    scores = scores - scores.mean(axis, keepdims=True)
    values = values - values.mean(axis, keepdims=True)
    power = (scores**2).sum()
    if power == 0:
        return None
    factor = float((scores * values).sum() / power)
    largest = np.abs(factor * scores).max()
    if factor <= 0 or np.abs(values - factor * scores).max() > near * largest:
        return None
    # What rounding adds to a plain softmax is no temperature.
    return 1.0 if abs(factor - 1) < near / 5 else factor
