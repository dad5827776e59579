"""How much of what the source has is missed, as a loss that stays tame."""

from keras import ops

# A share of 1 is missed where the student gives nothing, of 4 where it gives
# the opposite. What misses more is not on its way to the source anyway.
_LARGEST = 10.0
# Below it float32 has no squares.
_TINY = 1e-37


def missed_share(distance, energy):
    """`distance / energy` as a term to minimize, whatever the energy is.

    Up to a share of 10 it is the quotient, exactly. From there on it grows
    with the logarithm of the distance, as steeply as it came: the gradient
    then falls as the distance rises, at most `20 / sqrt(10 energy)` in the
    root mean square, so that steps that are too long do not grow from one to
    the next. Where the energy is zero there is nothing to miss a share of,
    and the term is 0, with zero gradient.

    Nothing in it has a unit: distance and energy times any factor give the
    same share.

    Args:
        distance: Mean squared distance to the source, a float32 scalar.
        energy: Mean square of what the source has, a float32 scalar.
    """
    known = energy > _TINY
    energy = ops.where(known, energy, 1.0)
    limit = _LARGEST * energy
    share = ops.minimum(distance, limit) / energy
    # A difference of logarithms: the quotient may be too large for a float.
    share += _LARGEST * (ops.log(ops.maximum(distance, limit)) - ops.log(limit))
    return ops.where(known, share, 0.0)
