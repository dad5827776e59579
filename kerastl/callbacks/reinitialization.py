"""What RIFLE and LURE share.

Periods of training, weights that are drawn anew as their authors draw them,
and an optimizer that forgets what it knows of these.
"""

import math
from collections import Counter
from typing import Any

import keras
import numpy as np
from keras import ops

from kerastl.arguments import checked_count
from kerastl.arguments import checked_seed
from kerastl.optimizers.grouped_optimizer import optimizer_parts
from kerastl.surgery.fresh_weights import fresh_weights


class PeriodCallback(keras.callbacks.Callback):
    """Base of callbacks that change a network between periods of training.

    With `E` epochs a period has `E // periods` of them; the last one takes
    the remainder, and nothing happens after it. A subclass implements
    `begin_period(epoch)`. It runs at the start of the first epoch of a
    period: what is saved or evaluated at the end of an epoch is always a
    trained network. What it draws comes from the epoch and the seed, so that
    a killed training that is resumed with the same seed draws the same.

    Args:
        periods: number of periods, at least 1.
        seed: seed of what is drawn. `None` takes one from Keras's global
            generator.

    Attributes:
        epochs: the epochs, counted from 0, that begin another period.

    Raises:
        ValueError: if `periods` is less than 1; at the start of `fit` if
            there are fewer epochs than periods.
    """

    def __init__(self, periods: int, seed: int | None = None) -> None:
        super().__init__()
        self.periods = checked_count("periods", periods)
        seed = checked_seed("seed", seed)
        if seed is None:
            generator = keras.random.SeedGenerator()
            seed = int(ops.convert_to_numpy(generator.state)[0])
        self.seed = seed
        self.epochs = []

    @property
    def network(self) -> keras.Model:
        """The network that is trained; of a `FineTuner`, its student."""
        return getattr(self.model, "student", self.model)

    @property
    def period(self) -> int:
        """Epochs in each period but the last."""
        return self.params["epochs"] // self.periods

    def begin_period(self, epoch: int) -> None:
        """Changes the network, before epoch `epoch` is trained."""
        raise NotImplementedError(
            f"{type(self).__name__} must implement `begin_period(epoch)`."
        )

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        if self.params["epochs"] < self.periods:
            raise ValueError(
                "Every period has at least one epoch. Train longer, or take "
                "fewer periods. Received: "
                f"periods={self.periods}, epochs={self.params['epochs']}"
            )
        self.epochs = [
            self.period * number for number in range(1, self.periods)
        ]

    def on_epoch_begin(
        self, epoch: int, logs: dict[str, Any] | None = None
    ) -> None:
        if epoch in self.epochs:
            self.begin_period(epoch)


def fan_in_draw(layer, seed) -> list:
    """Draws weights and biases evenly up to `1 / sqrt(inputs)`.

    That is PyTorch's initialization of layers with a kernel, where `inputs` is
    how many numbers one output is made of. Other weights, such as those of
    BatchNormalization, come from their own initializers. The layer keeps its
    weights.

    Args:
        layer: A built `keras.layers.Layer`.
        seed: Non-negative integer, or a list of such; the same one gives the
            same draw.

    Returns:
        Arrays in the order of `layer.weights`.
    """
    generator = np.random.default_rng(seed)
    drawn = fresh_weights(layer, seed)
    bound = None
    for place, variable in enumerate(layer.weights):
        if variable.name.endswith("kernel"):
            bound = 1 / math.sqrt(_inputs(layer, variable))
        elif variable.name != "bias" or bound is None:
            continue
        drawn[place] = generator.uniform(-bound, bound, variable.shape)
    return drawn


def _inputs(layer, kernel):
    depthwise = kernel.name == "depthwise_kernel" or isinstance(
        layer, keras.layers.DepthwiseConv1D | keras.layers.DepthwiseConv2D
    )
    return math.prod(kernel.shape[: -2 if depthwise else -1])


def reset_slots(optimizer, variables):
    """Sets what an optimizer keeps for some weights to its initial values.

    These are the momentum of SGD, the moments of Adam and the like. Its count
    of steps and its learning rate stay.

    Args:
        optimizer: a built `keras.optimizers.Optimizer`.
        variables: weights that it trains.
    """
    wanted = set(map(id, variables))
    for part, held in optimizer_parts(optimizer, variables):
        if not any(id(variable) in wanted for variable in held):
            continue
        fresh = type(part).from_config(part.get_config())
        fresh.build(held)
        # Keras names what it keeps for a weight after the weight, and makes
        # it in the order of the weights: that tells apart what belongs to
        # weights of one path, such as those of two equal backbones.
        owners = {}
        for variable in held:
            prefix = variable.path.replace("/", "_") + "_"
            owners.setdefault(prefix, []).append(id(variable) in wanted)
        seen = Counter()
        for slot, value in zip(part.variables, fresh.variables, strict=True):
            prefix = max(
                filter(slot.name.startswith, owners), key=len, default=None
            )
            if prefix is None:
                continue
            is_wanted = owners[prefix]
            if is_wanted[seen[slot.name] % len(is_wanted)]:
                slot.assign(value)
            seen[slot.name] += 1
