import numpy as np
from keras import ops

from kerastl.callbacks.period_callback import PeriodCallback
from kerastl.callbacks.reset_slots import reset_slots
from kerastl.surgery.copy_model import copy_model
from kerastl.surgery.fresh_weights import fresh_weights
from kerastl.surgery.graph import hidden_layers
from kerastl.training.gradient_sums import GradientSums
from kerastl.training.labelled_batches import labelled_batches
from kerastl.training.loss_probe import LossProbe
from kerastl.training.targets import class_numbers

# PyTorch's code takes every tensor named `weight`: kernels and scales.
_SPARED = ("bias", "beta")


class LURE(PeriodCallback):
    """Learn, unlearn, relearn: re-initializes the weights that matter least.

    Between two periods of training the saliency `|g * w|` of every weight is
    measured: its size times the sizes of its gradients, added up over the
    batches of `data`. The lowest `fraction` of all of them together get fresh
    values from their layers' own initializers; the others stay. Biases are
    spared, the scales of BatchNormalization are not.

    In the paper a period is a new batch of data, and its learning rate starts
    anew: `kerastl.schedules.CyclicCosine` with as many periods does that.
    Gradients are taken in inference mode, without augmentation: assumed.

    With `E` epochs a period has `E // periods` of them; nothing is
    re-initialized after the last one. Works in `FineTuner`, on its student,
    and in plain `fit`.

    Args:
        data: labelled images to measure the saliency on, a part of the
            training images: a tuple `(images, labels)` of arrays, or an
            iterable of such batches.
        periods: number of periods, at least 1.
        fraction: part of the weights that is re-initialized, in (0, 1).
        reset_optimizer: whether the optimizer forgets its momentum.
        batch_size: batch size for arrays.
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
        data,
        periods=4,
        fraction=0.2,
        reset_optimizer=True,
        batch_size=32,
        seed=None,
    ):
        super().__init__(periods, seed)
        if not 0 < fraction < 1:
            raise ValueError(
                "`fraction` lies between 0 and 1. "
                f"Received: fraction={fraction}"
            )
        self.data = data
        self.fraction = fraction
        self.reset_optimizer = reset_optimizer
        self.batch_size = batch_size

    def begin_period(self, epoch):
        saliency = self.saliency()
        flat = np.concatenate([values.ravel() for _, values in saliency])
        count = int(self.fraction * flat.size)
        forgotten = np.zeros(flat.size, bool)
        forgotten[np.argsort(flat, kind="stable")[:count]] = True
        ends = np.cumsum([values.size for _, values in saliency])[:-1]
        fresh = self._fresh(epoch)
        for (variable, _), mask in zip(
            saliency, np.split(forgotten, ends), strict=True
        ):
            before = ops.convert_to_numpy(variable)
            mask = mask.reshape(before.shape)
            variable.assign(np.where(mask, fresh[id(variable)], before))
        if self.reset_optimizer:
            reset_slots(self.model.optimizer, self.model.trainable_variables)

    def saliency(self):
        """How much each weight matters for the loss on the data.

        Returns:
            A list of pairs of variable and array of its shape.
        """
        probe = LossProbe(
            copy_model(self.network),
            getattr(self.model.loss, "from_logits", False),
        )
        sums = GradientSums(ops.abs)
        probe.compile(sums)
        seen = 0
        for images, labels in labelled_batches(self.data, self.batch_size):
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
            if id(theirs) in trained and theirs.name not in _SPARED
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
            values = fresh_weights(layer, [self.seed, epoch, index])
            for variable, value in zip(layer.weights, values, strict=True):
                fresh.setdefault(id(variable), value)
        return fresh
