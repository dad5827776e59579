"""Optimizers for which a network learns stage by stage."""

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


def staged_unfreezing_optimizer(
    model: keras.Model,
    base: str | keras.optimizers.Optimizer,
    steps_per_stage: int,
    decay: float = 1.0,
    groups: Sequence[Sequence[keras.layers.Layer]] | None = None,
) -> keras.optimizers.Optimizer:
    """Makes an optimizer that unfreezes a network from the head downward.

    First only the head learns; after `steps_per_stage` steps the stage below
    it too, and so on to the input. A stage that is still frozen has the
    learning rate 0, so that one `fit` and one compiled step, XLA's too, do
    for the whole training, and a resumed one goes on where it was: the stage
    follows from the optimizer's own step count. The gradients of frozen
    stages are computed all the same; to save them, train the head on
    `kerastl.store_features` first.

    A learning rate does not stop the statistics of BatchNormalization. Where
    the frozen stages must not move at all, use `batch_norm="freeze"`, see
    `kerastl.surgery.set_batch_norm`.

    Args:
        model: The network to train, its head in place. Inside a `FineTuner`:
            its student.
        base: A `keras.optimizers.Optimizer`; its class, settings and rate are
            taken over. Every stage follows its schedule from the first step
            of the training, not from its own.
        steps_per_stage: Training steps from one stage to the next.
        decay: Factor of the rate from one stage to the next below, as in
            `layer_decay_optimizer`.
        groups: List of lists of layers, from the input to the head. Defaults
            to `kerastl.surgery.layer_groups(model)`.

    Returns:
        A `keras.optimizers.MultiOptimizer`.

    Raises:
        ValueError: If an argument is out of range, `base` wraps others, or
            weights of several groups have the same path.

    Example:

    ```python
    optimizer = kerastl.optimizers.staged_unfreezing_optimizer(
        student, keras.optimizers.SGD(0.01), steps_per_stage=2 * len(train)
    )
    student.compile(optimizer, "sparse_categorical_crossentropy")
    ```

    Reference:
        Howard and Ruder, "Universal Language Model Fine-tuning for Text
        Classification", ACL 2018, section 3.3 (gradual unfreezing, one epoch
        a layer).
    """
    if steps_per_stage < 1 or not 0 < decay <= 1:
        raise ValueError(
            "A stage takes at least 1 step, and `decay` is more than 0 and at "
            f"most 1. Received: steps_per_stage={steps_per_stage}, "
            f"decay={decay}"
        )
    groups = groups or layer_groups(model)
    order = list(reversed(range(len(groups))))
    return grouped_optimizer(
        model,
        base,
        groups,
        [decay**i for i in order],
        [i * int(steps_per_stage) for i in order],
    )
