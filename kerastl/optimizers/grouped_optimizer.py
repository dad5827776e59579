"""One optimizer for each group of layers, and which trains which weights."""

import re

import keras

from kerastl.schedules.scaled_schedule import ScaledSchedule


def grouped_optimizer(model, base, groups, factors, starts):
    """Makes a `MultiOptimizer` with a learning rate for each group.

    Args:
        model: The network that the layers are of.
        base: The optimizer whose class, settings and learning rate the
            groups take over.
        groups: List of lists of layers, see `kerastl.surgery.layer_groups`.
        factors: Factor of the learning rate of each group.
        starts: First training step of each group.

    Returns:
        A `keras.optimizers.MultiOptimizer`. The last group's optimizer also
        has the weights that are in no group, such as those of losses. A
        `global_clipnorm` of `base` is one of all groups together.

    Raises:
        ValueError: If `base` wraps others, or if weights of several groups
            have the same path.
    """
    base = keras.optimizers.get(base)
    wrappers = (
        keras.optimizers.LossScaleOptimizer,
        keras.optimizers.MultiOptimizer,
    )
    if isinstance(base, wrappers):
        raise ValueError(
            "Every group gets an optimizer like `base`, which must be a plain "
            f"one, such as `keras.optimizers.SGD(0.01)`. Received: base={base}"
        )
    clipnorm = base.global_clipnorm
    if clipnorm is not None:
        base = type(base).from_config(
            {**base.get_config(), "global_clipnorm": None}
        )
    *parts, last = (
        scaled_copy(base, f"{base.name}_{i}", factor, start)
        for i, (factor, start) in enumerate(zip(factors, starts, strict=True))
    )
    chosen = keras.optimizers.OptimizerMap(default_optimizer=last)
    seen = {weight.path for layer in groups[-1] for weight in layer.weights}
    for group, part in zip(groups[:-1], parts, strict=True):
        patterns = {}
        for layer in group:
            patterns.update(weight_patterns(layer))
        mine = {patterns[path] for path in patterns.keys() - seen}
        seen.update(patterns)
        # One pattern a group: saved maps keep no two names of one optimizer.
        if mine:
            chosen["|".join(sorted(mine))] = part
    _check_apart(chosen, model, groups, [*parts, last])
    return GroupedOptimizer(chosen, global_clipnorm=clipnorm)


@keras.saving.register_keras_serializable(package="kerastl")
class GroupedOptimizer(keras.optimizers.MultiOptimizer):
    """Optimizers of groups whose gradients are clipped as one.

    What Keras clips by a global norm it clips in every optimizer by itself:
    groups would lose the proportion that their gradients have to each other.

    Args:
        optimizer_map: As in `keras.optimizers.MultiOptimizer`.
        global_clipnorm: Highest norm of all gradients together, or `None`.
        **kwargs: As in `keras.optimizers.MultiOptimizer`.
    """

    def __init__(self, optimizer_map, global_clipnorm=None, **kwargs):
        super().__init__(optimizer_map, **kwargs)
        self.global_clipnorm = global_clipnorm

    def apply(self, grads, trainable_variables=None):
        super().apply(self._clip_gradients(grads), trainable_variables)

    def get_config(self):
        config = super().get_config()
        return {**config, "global_clipnorm": self.global_clipnorm}


def _check_apart(chosen, model, groups, parts):
    """Refuses weights that would get the learning rate of another group."""
    # What is in no group is the last one's, and a layer of several groups the
    # last one's, or else the first one's.
    part_of = {id(weight): parts[-1] for weight in model.trainable_weights}
    for group, part in reversed(
        list(zip(groups[:-1], parts[:-1], strict=True))
    ):
        for layer in group:
            part_of.update((id(w), part) for w in layer.trainable_weights)
    for layer in groups[-1]:
        part_of.update((id(w), parts[-1]) for w in layer.trainable_weights)
    for weight in model.trainable_weights:
        if chosen[weight.path] is not part_of[id(weight)]:
            raise ValueError(
                "Keras chooses the optimizer of a weight by its `path`, and "
                "weights of several groups have the same, such as those of "
                "two nested models of one architecture. Put their layers in "
                "one group, or give the layers names of their own. "
                f"Received: several weights of path {weight.path!r}"
            )


def weight_patterns(layer):
    """Patterns that find the weights of a layer in a loaded model too.

    Returns:
        Dict from the path of each trainable weight to the regular expression
        of a `keras.optimizers.OptimizerMap`.
    """
    patterns = {}
    for weight in layer.trainable_weights:
        inside = weight.path.removeprefix(f"{layer.path}/")
        name = inside.rpartition("/")[2]
        pattern = re.escape(weight.path)
        # Keras counts the names of layers inside of layers up.
        if name != inside != weight.path:
            pattern = f"{re.escape(layer.path)}/.*/{re.escape(name)}"
        patterns[weight.path] = pattern
    return patterns


def scaled_copy(base, name, factor=1.0, start=0):
    """An optimizer like `base` at `factor` times its rate, from a step on."""
    config = base.get_config()
    rate = config["learning_rate"]
    if isinstance(rate, dict):
        rate = keras.saving.deserialize_keras_object(rate)
    if callable(rate) or start:
        rate = ScaledSchedule(rate, factor, start)
    else:
        rate = rate * factor
    return type(base).from_config(
        {**config, "learning_rate": rate, "name": name}
    )


def optimizer_parts(optimizer, variables) -> list:
    """The optimizers that do the work, each with the weights that it trains.

    Looks through `LossScaleOptimizer` and `MultiOptimizer`. Builds the
    optimizer if it has not been.

    Args:
        optimizer: a `keras.optimizers.Optimizer`.
        variables: all trainable weights of the model.

    Returns:
        A list of pairs of optimizer and list of variables.
    """
    if not optimizer.built:
        optimizer.build(variables)
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        return optimizer_parts(optimizer.inner_optimizer, variables)
    if isinstance(optimizer, keras.optimizers.MultiOptimizer):
        return [
            (part, list(part._trainable_variables))
            for part in optimizer.optimizers
            if part.built
        ]
    return [(optimizer, list(optimizer._trainable_variables))]
