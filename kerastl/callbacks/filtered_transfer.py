from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING
from typing import Any

import numpy as np

from kerastl.callbacks.sample_hiding import SampleHiding

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from kerastl.data.sample_filter import SampleFilter


class FilteredTransfer(SampleHiding):
    """Filtered transfer learning: doubtful labels leave, tier by tier.

    Training starts with all examples. At the start of every further tier,
    those whose label is less sure than its threshold leave for good, and the
    same weights train on with the rest:

        w_m = fine-tune(w_{m-1}, {i : confidence_i >= c_m})

    How long a tier lasts is not published; equal parts are assumed. The paper
    knows how sure its labels are. Where nothing does, the probability that
    the network gives the label stands in, which is assumed too.

    Args:
        sample_filter: The `kerastl.data.SampleFilter` that the training data
            asks.
        thresholds: `c_2 < c_3 < ...`, one for every tier after the first.
        confidences: How sure the label of each example is, `(num_samples,)`,
            or `None` to take the network's probability of the label, from the
            model's `kerastl.losses.SampleStatistics`.
        starts: Epochs, counted from 0, at which the tiers after the first
            start. `None` makes them equally long.
        batch_size: Examples in a training batch, for `whole_batches`.
        whole_batches: Whether fewer leave, so that whole batches fall away and
            the last one keeps its size: XLA then compiles nothing anew.

    Raises:
        ValueError: If the thresholds do not rise, or `starts` or
            `confidences` do not fit; at the start of `fit`, if the model has
            no `SampleStatistics` and there are no `confidences`.

    Example:

    ```python
    chosen = kerastl.data.SampleFilter(len(images))
    numbered = kerastl.data.with_index((images, labels))
    tuner.fit(
        kerastl.data.ArrayBatches(numbered, sample_filter=chosen),
        epochs=30,
        callbacks=[
            kerastl.callbacks.FilteredTransfer(
                chosen, thresholds=(0.5, 0.9), confidences=confidences
            )
        ],
    )
    ```

    Reference:
        Madani Tonekaboni et al., "Learning across label confidence
        distributions using Filtered Transfer Learning", 2020.
    """

    def __init__(
        self,
        sample_filter: SampleFilter,
        thresholds: Sequence[float] = (0.1, 0.3),
        confidences: ArrayLike | None = None,
        starts: Sequence[int] | None = None,
        batch_size: int = 32,
        whole_batches: bool = False,
    ) -> None:
        super().__init__(sample_filter, batch_size, whole_batches)
        self.thresholds = tuple(float(value) for value in thresholds)
        self.starts = starts
        if sorted(set(self.thresholds)) != list(self.thresholds):
            raise ValueError(
                "Every tier is surer than the one before: the thresholds must "
                f"rise. Received: thresholds={self.thresholds}"
            )
        if starts is not None and (
            len(starts) != len(self.thresholds)
            or sorted(set(starts)) != list(starts)
        ):
            raise ValueError(
                "Every threshold needs the epoch at which its tier starts, one "
                f"after the other. Received: starts={starts}, "
                f"thresholds={self.thresholds}"
            )
        self.confidences = confidences
        if confidences is not None:
            self.confidences = np.asarray(confidences, "float64")
            if self.confidences.shape != sample_filter.kept.shape:
                raise ValueError(
                    "Every example needs one confidence. Received: confidences "
                    f"of shape {self.confidences.shape} for "
                    f"{len(sample_filter.kept)} examples"
                )

    def tier_starts(self) -> list[int]:
        """Epochs at which the tiers after the first start."""
        if self.starts is not None:
            return list(self.starts)
        tiers = len(self.thresholds) + 1
        epochs = self.params["epochs"]
        return [round(tier * epochs / tiers) for tier in range(1, tiers)]

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        super().on_train_begin(logs)
        if self.confidences is None:
            self.statistics()

    def on_epoch_begin(
        self, epoch: int, logs: dict[str, Any] | None = None
    ) -> None:
        starts = self.tier_starts()
        tier = sum(epoch >= start for start in starts)
        if tier == 0:
            self.hide([])
        elif self.confidences is not None:
            self.hide(self._doubtful(self.confidences, tier))
        elif epoch in starts:
            known = self.statistics().result()
            hidden = self.hide(self._doubtful(np.exp(-known.loss), tier))
            dropped = np.zeros(len(known.loss), bool)
            dropped[hidden] = True
            # A resumed training reads there what was decided here.
            self.statistics().drop(dropped)
        else:
            dropped = self.statistics().result().dropped
            self.sample_filter.hide(np.flatnonzero(dropped))

    def _doubtful(self, confidences, tier):
        order = np.argsort(confidences, kind="stable")
        return order[confidences[order] < self.thresholds[tier - 1]]
