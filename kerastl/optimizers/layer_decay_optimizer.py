"""Learning rates that fall from the head to the input."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from kerastl.optimizers.grouped_optimizer import grouped_optimizer
from kerastl.surgery.layer_groups import layer_groups

if TYPE_CHECKING:
    import keras


def layer_decay_optimizer(
    model: keras.Model,
    base: str | keras.optimizers.Optimizer,
    decay: float = 0.5,
    groups: Sequence[Sequence[keras.layers.Layer]] | None = None,
) -> keras.optimizers.Optimizer:
    """Makes an optimizer whose learning rate falls by stages to the input.

    The head learns at the rate of `base`, the stage below it at `decay`
    times that, the next at `decay ** 2`, and so on: what is more general
    moves less. `decay=1` is `base` itself. Schedules, momentum and all other
    settings of `base` are kept, with XLA, mixed precision, saving and loading.

    Args:
        model: The network to train, its head in place. Inside a `FineTuner`:
            its student.
        base: A `keras.optimizers.Optimizer`; its class, settings and rate are
            taken over.
        decay: Factor from one stage to the next below, in (0, 1].
        groups: List of lists of layers, from the input to the head. Defaults
            to `kerastl.surgery.layer_groups(model)`.

    Returns:
        A `keras.optimizers.MultiOptimizer`.

    Raises:
        ValueError: If `decay` is out of range, `base` wraps others, or
            weights of several groups have the same path.

    Example:

    ```python
    optimizer = kerastl.optimizers.layer_decay_optimizer(
        student, keras.optimizers.SGD(0.01, momentum=0.9), decay=0.5
    )
    student.compile(optimizer, "sparse_categorical_crossentropy")
    ```

    Reference:
        Howard and Ruder, "Universal Language Model Fine-tuning for Text
        Classification", ACL 2018, section 3.2 (discriminative fine-tuning,
        with a decay of 1 / 2.6).
    """
    if not 0 < decay <= 1:
        raise ValueError(
            "`decay` must be more than 0 and at most 1. "
            f"Received: decay={decay}"
        )
    groups = groups or layer_groups(model)
    factors = [decay**i for i in reversed(range(len(groups)))]
    return grouped_optimizer(model, base, groups, factors, [0] * len(groups))
