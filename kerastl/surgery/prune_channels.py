"""Makes a network narrower."""

from collections.abc import Sequence
from typing import Literal

import keras

from kerastl.surgery.mask_channels import mask_channels
from kerastl.surgery.remove_zero_channels import remove_zero_channels


def prune_channels(
    model: keras.Model,
    fraction: float = 0.25,
    by: Literal["magnitude", "gamma"] = "magnitude",
    divisor: int = 1,
    exclude: Sequence[str] = (),
    name: str | None = None,
) -> keras.Model:
    """Copies a network without the channels that matter least.

    Unlike zeros among the weights, channels that are gone make the file
    smaller and the device faster whatever it runs. It costs accuracy at once:
    fine-tune after it, or prune a little and train, several times.

    The channels are those that `mask_channels` sets to zero; what is left
    computes what that masked network computes.

    Args:
        model: A functional or built sequential `keras.Model`; nested models
            are rewritten too.
        fraction: Fraction of the channels of every group that is tied
            together, at least 0 and below 1. It is rounded down.
        by: `"magnitude"` (norms of filters) or `"gamma"` (scales of
            BatchNormalization).
        divisor: The number of channels that stay is a multiple of this, where
            so many are there.
        exclude: Names of layers all of whose channels stay.
        name: Name of the new model. Defaults to the name of `model`.

    Returns:
        A functional `keras.Model` that shares nothing with `model`, not
        compiled.

    Raises:
        ValueError: If an argument is out of its range, the model is
            subclassed, or a layer is not found.

    Example:

    >>> small = kerastl.surgery.prune_channels(model, fraction=0.25, divisor=8)
    >>> kerastl.count_multiply_adds(small)

    Reference:
        Li et al., "Pruning Filters for Efficient ConvNets", ICLR 2017,
        section 3; Liu et al., "Learning Efficient Convolutional Networks
        through Network Slimming", ICCV 2017, section 3.
    """
    masked = mask_channels(model, fraction, by, divisor, exclude, name)
    return remove_zero_channels(masked)
