"""Numbers that are kept for every training example."""

from __future__ import annotations

from typing import TYPE_CHECKING
from typing import Any
from typing import NamedTuple

import keras
import numpy as np
from keras import ops

from kerastl.arguments import checked_count
from kerastl.data.batches import one_hot
from kerastl.surgery.class_outputs import class_outputs
from kerastl.surgery.class_outputs import class_probabilities
from kerastl.training.transfer_loss import TransferLoss
from kerastl.types import Tensor

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from kerastl.fine_tuner import FineTuner
    from kerastl.training.transfer_loss import TransferStep


class Statistics(NamedTuple):
    """What is known of every training example, arrays `(num_samples,)`.

    Args:
        loss: Cross-entropy of its label when it was last seen.
        confidence: Largest probability over the classes.
        correct: bool, whether that was the label's.
        seen: bool, whether it has been seen at all.
        dropped: bool, whether a callback has left it out for good.
    """

    loss: np.ndarray
    confidence: np.ndarray
    correct: np.ndarray
    seen: np.ndarray
    dropped: np.ndarray


@keras.saving.register_keras_serializable(package="kerastl")
class SampleStatistics(TransferLoss):
    """Remembers how every training example did when it was last seen.

    The term adds nothing to the loss; `History` shows the mean confidence.
    `kerastl.callbacks.KAKURENBO` and `kerastl.callbacks.FilteredTransfer`
    choose by what it remembers, which is saved with the tuner.

    Args:
        num_samples: Number of training examples.
        name: Name in the progress bar and in `History`.

    Raises:
        ValueError: If there is no example; at the start of `fit`, if the data
            has no index.

    Example:

    ```python
    statistics = kerastl.losses.SampleStatistics(len(images))
    tuner.compile(
        optimizer="sgd",
        loss="sparse_categorical_crossentropy",
        transfer_losses=[statistics],
    )
    inputs, labels = kerastl.data.with_index((images, labels))
    tuner.fit(inputs, labels, epochs=2)
    hardest = statistics.result().loss.argsort()[::-1][:10]
    ```
    """

    needs_source = False
    needs_index = True

    def __init__(self, num_samples: int, name: str | None = None) -> None:
        super().__init__(weight=0.0, name=name)
        self.num_samples = checked_count("num_samples", num_samples)
        self.store: Any = None

    @property
    def layers(self) -> list[keras.layers.Layer]:
        return [] if self.store is None else [self.store]

    def build(self, tuner: FineTuner) -> None:
        self.kind = class_outputs(tuner.student, tuner.loss)
        self.store = SampleStore(
            self.num_samples,
            len(Statistics._fields),
            "statistics",
            replicas_of(tuner),
        )

    def compute(self, step: TransferStep) -> Tensor:
        labels = one_hot(step.y, step.predictions)
        rows = self._rows(step.predictions, labels)
        self.store.write(step.index, rows)
        return ops.stop_gradient(ops.mean(rows[:, 1]))

    def result(self) -> Statistics:
        """The `Statistics` of all examples."""
        loss, confidence, *flags = self.store.to_numpy().T
        return Statistics(loss, confidence, *(flag > 0.5 for flag in flags))

    def record(
        self, index: ArrayLike, predictions: Tensor, labels: ArrayLike
    ) -> None:
        """Remembers what was predicted for examples outside of a step.

        Args:
            index: Their places in the training set.
            predictions: Output of the network `(n, classes)`.
            labels: Integer labels `(n,)` or one-hot ones.
        """
        predictions = ops.convert_to_tensor(predictions)
        labels = one_hot(ops.convert_to_tensor(labels), predictions)
        rows = ops.convert_to_numpy(self._rows(predictions, labels))
        values = self.store.to_numpy()
        values[index, :4] = rows[:, :4]
        self.store.values.assign(values)

    def drop(self, dropped: ArrayLike) -> None:
        """Remembers which examples are left out for good, a bool array."""
        values = self.store.to_numpy()
        values[:, 4] = dropped
        self.store.values.assign(values)

    def _rows(self, predictions, labels):
        probabilities = class_probabilities(predictions, self.kind)
        own = ops.sum(labels * probabilities, axis=-1)
        best = ops.argmax(probabilities, axis=-1)
        correct = best == ops.argmax(labels, axis=-1)
        return ops.stack(
            [
                -ops.log(ops.maximum(own, 1e-12)),
                ops.max(probabilities, axis=-1),
                ops.cast(correct, "float32"),
                ops.ones_like(own),
                ops.zeros_like(own),
            ],
            axis=-1,
        )

    def get_config(self) -> dict[str, Any]:
        return {"num_samples": self.num_samples, "name": self.name}


class SampleStore(keras.layers.Layer):
    """One row of numbers an example, in a weight, so that it is saved.

    Args:
        num_samples: Number of training examples.
        width: Numbers of an example.
        name: Name of the layer.
        replicas: Replicas that train together: each sees other examples.
    """

    def __init__(self, num_samples, width, name, replicas=1):
        super().__init__(name=name, dtype="float32")
        self.replicas = replicas
        self.values = self.add_weight(
            name="values",
            shape=(num_samples, width),
            initializer="zeros",
            trainable=False,
            autocast=False,
            aggregation="mean",
        )
        self.built = True

    def read(self, index):
        """The rows of the examples at `index`, `(batch, width)`."""
        return ops.take(
            ops.convert_to_tensor(self.values), _places(index), axis=0
        )

    def write(self, index, rows):
        """Replaces the rows of the examples at `index`."""
        old = ops.convert_to_tensor(self.values)
        rows = ops.stop_gradient(ops.cast(rows, "float32"))
        new = ops.scatter_update(old, _places(index)[:, None], rows)
        if self.replicas > 1:
            # The mean over the replicas is what all of them changed then.
            new = old + self.replicas * (new - old)
        self.values.assign(new)

    def to_numpy(self):
        """All rows, as an array of its own."""
        return np.array(ops.convert_to_numpy(self.values))


def replicas_of(tuner):
    """Replicas that train a tuner together."""
    strategy = getattr(tuner, "distribute_strategy", None)
    return getattr(strategy, "num_replicas_in_sync", 1)


def _places(index):
    return ops.reshape(ops.cast(index, "int32"), (-1,))
