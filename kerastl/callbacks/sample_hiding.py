from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING
from typing import Any

import keras
import numpy as np

from kerastl.arguments import checked_count
from kerastl.arguments import checked_flag
from kerastl.losses.sample_statistics import SampleStatistics

if TYPE_CHECKING:
    from kerastl.data.sample_filter import SampleFilter


class SampleHiding(keras.callbacks.Callback):
    """Base of the callbacks that leave examples out of an epoch.

    Args:
        sample_filter: The `kerastl.data.SampleFilter` of the training data.
        batch_size: Examples in a training batch.
        whole_batches: Whether so few are hidden that whole batches fall away:
            the last batch keeps its size, and XLA compiles nothing anew.
    """

    def __init__(
        self, sample_filter: SampleFilter, batch_size: int, whole_batches: bool
    ) -> None:
        super().__init__()
        self.sample_filter = sample_filter
        self.batch_size = checked_count("batch_size", batch_size)
        self.whole_batches = checked_flag("whole_batches", whole_batches)
        self._warnings: Any = None

    def statistics(self) -> SampleStatistics:
        """The `SampleStatistics` among the model's transfer losses.

        Raises:
            ValueError: If there is none, or it is of another number.
        """
        terms = [
            term
            for term in getattr(self.model, "transfer_losses", [])
            if isinstance(term, SampleStatistics)
        ]
        count = len(self.sample_filter.kept)
        if not terms or terms[0].num_samples != count:
            raise ValueError(
                f"{type(self).__name__} chooses by how the examples did. "
                "Compile a FineTuner with `transfer_losses=[kerastl.losses."
                f"SampleStatistics({count})]`. Received: "
                f"{[term.num_samples for term in terms]} as `num_samples` of "
                "such terms"
            )
        return terms[0]

    def hide(self, samples: Sequence[int] | np.ndarray) -> np.ndarray:
        """Leaves examples out, the first ones first; the last one stays.

        Returns:
            The places of those that are hidden.
        """
        count = min(len(samples), len(self.sample_filter.kept) - 1)
        if self.whole_batches:
            count -= count % self.batch_size
        hidden = np.asarray(samples, int)[:count]
        self.sample_filter.hide(hidden)
        return hidden

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        # Keras takes an epoch with fewer batches for an accident.
        self._warnings = warnings.catch_warnings()
        self._warnings.__enter__()
        warnings.filterwarnings("ignore", message="Your input ran out of data")

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        self.sample_filter.hide([])
        self._warnings.__exit__(None, None, None)
