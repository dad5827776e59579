from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np
from keras import ops

from kerastl.arguments import checked_count
from kerastl.arguments import checked_flag
from kerastl.arguments import checked_number
from kerastl.callbacks.reinitialization import PeriodCallback
from kerastl.callbacks.reinitialization import fan_in_draw
from kerastl.callbacks.reinitialization import reset_slots
from kerastl.data.batches import class_numbers
from kerastl.data.batches import labelled_batches
from kerastl.surgery.class_outputs import class_outputs
from kerastl.surgery.graph import hidden_layers
from kerastl.surgery.rebuild import copy_model
from kerastl.training.gradients import GradientSums
from kerastl.training.gradients import LossProbe
from kerastl.types import Data

if TYPE_CHECKING:
    import keras

# The authors draw every tensor named `weight` anew: kernels and scales.
_SPARED = ("bias", "beta")


class LURE(PeriodCallback):
    """Learn, unlearn, relearn: re-initializes the weights that matter least.

    Between two periods of training the saliency `|g * w|` of every weight is
    measured: its size times the sizes of its gradients, added up over batches
    of `data`, in inference mode. The lowest `fraction` of all of them together
    are drawn anew; the others stay. As in the authors' code, kernels are drawn
    evenly up to `1 / sqrt(inputs)` and the scales of BatchNormalization from
    -1 to 1; biases count among the lowest, but stay; and the optimizer keeps
    its momentum.

    In the paper a period is a new batch of data, and its learning rate starts
    anew: `kerastl.schedules.CyclicCosine` with as many periods does that.
    Three things are done otherwise. The authors look at a 32nd of their
    batches, here `batches` says at how many: of few images all, because a 32nd
    is no measure. Their images are augmented, here they are as `data` gives
    them, so that a resumed training draws the same. And they go on from the
    best epoch of the period before, here training goes on from the last one: a
    best one needs held-out images, which few have to spare.

    With `E` epochs a period has `E // periods` of them; nothing is
    re-initialized after the last one. Works in `FineTuner`, on its student,
    and in plain `fit`.

    Args:
        data: labelled images to measure the saliency on, a part of the
            training images: a tuple `(images, labels)` of arrays, or an
            iterable of such batches.
        periods: number of periods, at least 1.
        fraction: part of the weights that is re-initialized, in (0, 1).
        reset_optimizer: whether the optimizer forgets its momentum. It is off
            in the published code.
        batch_size: batch size for arrays.
        batches: how many batches of `data` are looked at. `None` takes all.
        seed: seed of the new weights. `None` takes one from Keras's global
            generator.

    Raises:
        ValueError: if an argument is out of range; at the start of `fit` if
            there are fewer epochs than periods; between periods if `data` has
            no batch.

    Example:

    ```python
    lure = kerastl.callbacks.LURE((images, labels), periods=4, seed=0)
    tuner.fit(train, epochs=40, callbacks=[lure])
    ```

    Reference:
        Ramkumar, Arani and Zonooz, "Learn, Unlearn and Relearn: An Online
        Learning Paradigm for Deep Neural Networks", TMLR 2023.
    """

    def __init__(
        self,
        data: Data,
        periods: int = 4,
        fraction: float = 0.2,
        reset_optimizer: bool = False,
        batch_size: int = 32,
        seed: int | None = None,
        batches: int | None = None,
    ) -> None:
        super().__init__(periods, seed)
        self.data = data
        self.fraction = checked_number("fraction", fraction, above=0, below=1)
        self.reset_optimizer = checked_flag("reset_optimizer", reset_optimizer)
        self.batch_size = checked_count("batch_size", batch_size)
        self.batches = batches

    def begin_period(self, epoch: int) -> None:
        saliency = self.saliency()
        flat = np.concatenate([values.ravel() for _, values in saliency])
        count = int(self.fraction * flat.size)
        forgotten = np.zeros(flat.size, bool)
        if count:
            # With all that are as low as the last of them.
            forgotten = flat <= np.partition(flat, count - 1)[count - 1]
        ends = np.cumsum([values.size for _, values in saliency])[:-1]
        fresh = self._fresh(epoch)
        for (variable, _), mask in zip(
            saliency, np.split(forgotten, ends), strict=True
        ):
            if variable.name in _SPARED:
                continue
            before = ops.convert_to_numpy(variable)
            mask = mask.reshape(before.shape)
            variable.assign(np.where(mask, fresh[id(variable)], before))
        if self.reset_optimizer:
            reset_slots(self.model.optimizer, self.model.trainable_variables)

    def saliency(self) -> list[tuple[keras.Variable, np.ndarray]]:
        """How much each weight matters for the loss on the data.

        Returns:
            A list of pairs of variable and array of its shape.
        """
        probe = LossProbe(
            copy_model(self.network),
            class_outputs(self.network, self.model.loss),
        )
        sums = GradientSums(ops.abs)
        probe.compile(sums)
        seen = 0
        batches = labelled_batches(self.data, self.batch_size)
        for images, labels in itertools.islice(batches, self.batches):
            labels = class_numbers(labels)
            share = np.full(len(labels), 1 / len(labels), "float32")
            probe.train_on_batch(images, labels, share)
            seen += 1
        if not seen:
            raise ValueError(
                "The saliency cannot be measured because the data has no "
                "batch. A generator that has been read once is empty: pass "
                "arrays or a dataset. "
                f"Received: data={type(self.data).__name__}"
            )
        found = {
            id(mine): ops.convert_to_numpy(total)
            for mine, total in zip(
                probe.trainable_variables, sums.sums, strict=True
            )
        }
        # The copy is all trainable, the network may be frozen in parts.
        trained = set(map(id, self.network.trainable_variables))
        return [
            (theirs, found[id(mine)] * np.abs(ops.convert_to_numpy(theirs)))
            for theirs, mine in zip(
                self.network.variables, probe.network.variables, strict=True
            )
            if id(theirs) in trained
        ]

    def _fresh(self, epoch):
        """New values of every weight, by the id of its variable."""
        fresh = {}
        # A layer that holds others comes after them.
        layers = sorted(
            hidden_layers(self.network), key=lambda each: len(each.weights)
        )
        for index, layer in enumerate(layers):
            if all(id(v) in fresh for v in layer.trainable_weights):
                continue
            seed = [self.seed, epoch, index]
            values = fan_in_draw(layer, seed)
            for variable, value in zip(layer.weights, values, strict=True):
                if variable.name == "gamma":
                    value = np.random.default_rng(seed).uniform(
                        -1, 1, variable.shape
                    )
                fresh.setdefault(id(variable), value)
        return fresh
