from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence
from typing import TYPE_CHECKING
from typing import Any
from typing import Literal

import numpy as np

from kerastl.arguments import checked_number
from kerastl.callbacks.sample_hiding import SampleHiding
from kerastl.data.batches import predict_batch
from kerastl.types import Tensor

if TYPE_CHECKING:
    from kerastl.data.sample_filter import SampleFilter

_CORRECTIONS = ("fraction", "hidden")


class KAKURENBO(SampleHiding):
    """KAKURENBO: hides the examples that are learned, epoch by epoch.

    Of N examples the `F * N` with the lowest loss are candidates; those that
    are predicted wrongly or with a confidence below `confidence` move back
    into training. The rest trains, with a learning rate raised by
    `1 / (1 - F)`. After the epoch one forward pass over the hidden examples
    brings their loss up to date. The first epoch hides nothing.

    The confidence is the largest probability over the classes; the published
    code takes it over the batch.

    Args:
        sample_filter: The `kerastl.data.SampleFilter` that the training data
            asks.
        images: Training images, an array or a function of an array of places
            that returns them. They are predicted as they are.
        labels: Their integer labels.
        fraction: The largest `F`.
        decay: Pairs of a share of the training and the factor of `fraction`
            from then on.
        confidence: Examples below this move back.
        correction: What raises the learning rate: `"fraction"`, `F`, as in
            the paper, or `"hidden"`, the share that is really hidden.
        learning_rate: The rate without correction, a number or a function of
            the epoch. `None` takes the optimizer's at the start of `fit`;
            pass it where a training is resumed.
        batch_size: Examples in a training batch, and in one of the pass over
            the hidden ones.
        whole_batches: Whether fewer are hidden, so that whole batches fall
            away and the last one keeps its size: XLA then compiles nothing
            anew. Less than a batch of candidates hides nothing, so it goes
            with `correction="hidden"`. Ours, not the authors'.

    Raises:
        ValueError: If an argument is out of range, or `whole_batches` goes
            with `correction="fraction"`; at the start of `fit`, if the model
            has no `SampleStatistics`, or its learning rate is a schedule of
            steps.

    Example:

    ```python
    chosen = kerastl.data.SampleFilter(len(images))
    tuner.compile(
        optimizer=keras.optimizers.SGD(0.01),
        loss="sparse_categorical_crossentropy",
        transfer_losses=[kerastl.losses.SampleStatistics(len(images))],
    )
    numbered = kerastl.data.with_index((images, labels))
    tuner.fit(
        kerastl.data.ArrayBatches(numbered, sample_filter=chosen),
        epochs=20,
        callbacks=[kerastl.callbacks.KAKURENBO(chosen, images, labels)],
    )
    ```

    Reference:
        Nguyen et al., "KAKURENBO: Adaptively Hiding Samples in Deep Neural
        Network Training", NeurIPS 2023, section 3.
    """

    def __init__(
        self,
        sample_filter: SampleFilter,
        images: np.ndarray | Callable[[np.ndarray], Tensor],
        labels: np.ndarray,
        fraction: float = 0.3,
        decay: Sequence[tuple[float, float]] = (
            (0.3, 0.8),
            (0.6, 0.6),
            (0.8, 0.4),
        ),
        confidence: float = 0.7,
        correction: Literal["fraction", "hidden"] = "fraction",
        learning_rate: float | Callable[[int], float] | None = None,
        batch_size: int = 32,
        whole_batches: bool = False,
    ) -> None:
        super().__init__(sample_filter, batch_size, whole_batches)
        self.fraction = checked_number("fraction", fraction, least=0, below=1)
        if correction not in _CORRECTIONS:
            raise ValueError(
                f"`correction` must be one of {_CORRECTIONS}. "
                f"Received: correction={correction!r}"
            )
        if whole_batches and correction == "fraction":
            raise ValueError(
                "In whole batches less than `fraction` is hidden, often "
                "nothing, and the learning rate must not be raised for it. "
                "Pass `correction='hidden'`. Received: whole_batches=True, "
                "correction='fraction'"
            )
        self.images = images
        self.labels = np.asarray(labels)
        self.decay = tuple(decay)
        self.confidence = checked_number("confidence", confidence)
        self.correction = correction
        self.learning_rate = learning_rate
        self._hidden = np.array([], int)

    def fraction_at(self, epoch: int) -> float:
        """`F` of an epoch, counted from 0."""
        done = epoch / self.params["epochs"]
        factor = 1.0
        for start, value in self.decay:
            if done >= start:
                factor = value
        return factor * self.fraction

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        super().on_train_begin(logs)
        self.statistics()
        if self.learning_rate is None:
            self.learning_rate = _rate_of(self.model.optimizer)

    def on_epoch_begin(
        self, epoch: int, logs: dict[str, Any] | None = None
    ) -> None:
        known = self.statistics().result()
        fraction = self.fraction_at(epoch) if known.seen.all() else 0.0
        candidates = np.argsort(known.loss, kind="stable")
        candidates = candidates[: int(fraction * len(candidates))]
        learned = known.correct & (known.confidence >= self.confidence)
        self._hidden = self.hide(candidates[learned[candidates]])
        if self.correction == "hidden":
            fraction = len(self._hidden) / len(known.loss)
        rate: Any = self.learning_rate
        rate = rate(epoch) if callable(rate) else rate
        self.model.optimizer.learning_rate = rate / (1 - fraction)

    def on_epoch_end(
        self, epoch: int, logs: dict[str, Any] | None = None
    ) -> None:
        for start in range(0, len(self._hidden), self.batch_size):
            places = self._hidden[start : start + self.batch_size]
            images = self.images
            images = images(places) if callable(images) else images[places]
            self.statistics().record(
                places,
                predict_batch(self.model, images),
                self.labels[places],
            )


def _rate_of(optimizer):
    try:
        optimizer.learning_rate = rate = float(optimizer.learning_rate)
    except TypeError as error:
        raise ValueError(
            "The learning rate is corrected in every epoch, so it cannot be a "
            "schedule of steps. Compile with a number, and pass the schedule "
            "as a function of the epoch: `KAKURENBO(learning_rate=...)`. "
            f"Received: {type(optimizer).__name__} with a schedule"
        ) from error
    return rate
