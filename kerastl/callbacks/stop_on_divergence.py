import collections
import math
import warnings
from typing import Any

import keras
import numpy as np

from kerastl.arguments import checked_count
from kerastl.arguments import checked_flag
from kerastl.arguments import checked_number
from kerastl.callbacks.weight_state import WeightState

# Where a loss begins below it, it may rise a thousandfold by one difficult
# batch: of a network that has learned its images, or of a term that is zero
# as long as student and source are the same.
_SMALLEST_START = 1.0


class StopOnDivergence(keras.callbacks.Callback):
    """Stops a training that has gone wrong, says why, and repairs the model.

    Keras's own `TerminateOnNaN` watches the total only, and only for NaN. A
    training that fails does not always get that far: the loss may explode to
    1e14 and stay a number, a moving variance may become infinite while the
    loss is fine, and a ReLU turns the NaN of a broken image into zeros. This
    callback stops, with a warning that names what is wrong, if

    * the total, a transfer loss of a `FineTuner`, the loss of an output or
      the validation loss is NaN or infinite,
    * a variable of the model or of its optimizer is, which is looked at after
      the first step and after every epoch; so large that float32 has no
      square of it counts as infinite. What was so before the training may
      stay so,
    * the loss has exploded: `patience` steps in a row are more than `factor`
      times as large as the first batch was, or as 1 if that was less. At the
      end of the training two steps are enough, or a validation loss of that
      size. Single peaks do not count. Where another callback changes weights
      between two epochs, as `RIFLE` does, the loss may begin anew from where
      it is then.

    The variables are put back to what they were at the end of the last epoch
    in which all was well, or before the training: what is saved after that is
    not ruined. Put this callback in front of those that save.

    Works in `FineTuner` and in plain `fit`.

    Args:
        factor: how many times larger than at its start a loss has exploded.
            `math.inf` leaves that to the values that are no numbers.
        patience: steps in a row that are needed.
        restore: whether variables are put back. The copy takes as much memory
            on the host as the model and its optimizer have.

    Attributes:
        terms: names of the losses that went wrong, empty if all is well.
        variables: paths of the variables that went wrong.
        message: what went wrong, `""` if all is well.
        sound: whether all was well when the last epoch ended.

    Raises:
        ValueError: if `factor` is not above 1 or `patience` not a whole
            number of at least 1.

    Example:

    ```python
    stop = kerastl.callbacks.StopOnDivergence()
    tuner.fit(train, epochs=10, callbacks=[stop])
    if stop.message:
        print("Went wrong:", stop.terms, stop.variables)
    ```
    """

    def __init__(
        self, factor: float = 1000.0, patience: int = 3, restore: bool = True
    ) -> None:
        super().__init__()
        self.factor = checked_number("factor", factor, above=1)
        self.patience = checked_count("patience", patience)
        self.restore = checked_flag("restore", restore)
        self._reset()

    def _reset(self):
        self.terms = []
        self.variables = []
        self.message = ""
        self.sound = True
        self._epoch = 0
        self._first = True
        self._start = 0.0
        self._anew = True
        self._before = {}
        self._kept = None
        self._kept_epoch = None
        self._sums = None
        self._begins = True
        self._means = {}
        self._large = collections.deque(maxlen=self.patience)

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._reset()
        state = WeightState(self.model)
        optimizer = self.model.optimizer
        if not optimizer.built:
            # Its variables too are put back to what they were.
            with state.scope():
                optimizer.build(self.model.trainable_variables)
        self._before = state.unsound()
        if self.restore:
            self._kept = state.copy()

    def on_epoch_begin(
        self, epoch: int, logs: dict[str, Any] | None = None
    ) -> None:
        self._epoch = epoch
        self._begins = True
        # Keras's means begin anew.
        self._means = {}

    def on_train_batch_begin(
        self, batch: int, logs: dict[str, Any] | None = None
    ) -> None:
        if not self._begins:
            return
        # All `on_epoch_begin` are over. What they change is no divergence.
        self._begins = False
        if self._sums is not None:
            sums = WeightState(self.model).sums()
            # A mask of minus infinity has no sum.
            self._anew = not np.array_equal(sums, self._sums, equal_nan=True)

    def on_train_batch_end(
        self, batch: int, logs: dict[str, Any] | None = None
    ) -> None:
        logs = logs or {}
        # Not `self.model`: on JAX that copies the state in every step.
        wrong = _not_finite(logs, self._term_weights())
        if wrong:
            self._stop(
                f"at batch {batch}", "these losses are not finite", wrong
            )
            return
        if self._first:
            self._first = False
            if self._stop_for_variables(f"after batch {batch}"):
                return
        exploded = self._exploded(batch + 1, logs)
        self._large.append(exploded)
        if len(self._large) == self.patience and all(self._large):
            self._stop_for_explosion(f"at batch {batch}", exploded)

    def on_epoch_end(
        self, epoch: int, logs: dict[str, Any] | None = None
    ) -> None:
        if self.message:
            return
        when = "at the end"
        wrong = _not_finite(logs or {}, self._term_weights())
        if wrong:
            self._stop(when, "these losses are not finite", wrong)
            return
        if self._stop_for_variables(when, overflow=True):
            return
        exploded = self._risen(logs or {})
        # One peak ends no training, but is nothing to go back to either.
        self.sound = not exploded and not any(list(self._large)[-1:])
        # No step is left that could bring it down.
        if exploded and epoch + 1 >= self.params.get("epochs", 0):
            self._stop_for_explosion(when, exploded)
            return
        state = WeightState(self.model)
        self._sums = state.sums()
        if self.sound and self.restore:
            self._kept, self._kept_epoch = state.copy(), epoch

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        # Another callback may have ended the training before its time.
        exploded = self._risen(logs or {})
        if exploded and not self.message:
            self._stop_for_explosion("at the end", exploded)

    def _risen(self, logs):
        """The losses that are too large at the end of an epoch."""
        last = list(self._large)[-2:]
        risen = dict(last[-1]) if last and all(last) else {}
        if logs.get("val_loss", 0.0) > self._limit():
            risen["val_loss"] = float(logs["val_loss"])
        return risen

    def _limit(self):
        return self.factor * max(self._start, _SMALLEST_START)

    def _term_weights(self):
        terms = getattr(self._model, "transfer_losses", [])
        return {term.name: term.weight for term in terms}

    def _exploded(self, count, logs):
        """The losses that are too large in this step, with their values."""
        if "loss" not in logs:
            return {}
        seen, values, doubts = self._means.get("count", 0), {}, {}
        weights = {**self._term_weights(), "loss": 1.0}
        for name, weight in weights.items():
            if name not in logs:
                continue
            mean = float(logs[name])
            before = self._means.get(name, 0.0)
            # Logs are means over the epoch so far.
            steps = max(count - seen, 1)
            values[name] = weight * (mean * count - before * seen) / steps
            # What a sum of float32 numbers of that size may have lost.
            lost = 1e-6 * weight * (abs(mean) * count + abs(before) * seen)
            doubts[name] = lost / steps
            self._means[name] = mean
        self._means["count"] = count
        total = values["loss"]
        if self._anew:
            self._anew = False
            self._start = max(self._start, abs(total))
        limit = self._limit()
        if total - doubts["loss"] <= limit:
            return {}
        return {
            name: value
            for name, value in values.items()
            if name == "loss" or value > limit
        }

    def _stop_for_explosion(self, when, exploded):
        self._stop(
            when,
            f"the loss has exploded; it began at {self._start:.3g}, and these "
            "are now, at their weights",
            exploded,
        )

    def _stop_for_variables(self, when, overflow=False):
        state = WeightState(self.model)
        wrong = state.unsound(self._before, overflow)
        if wrong:
            self._stop(
                when,
                "these variables are not finite",
                variables=list(wrong),
            )
        return bool(wrong)

    def _stop(self, when, what, losses=None, variables=()):
        self.sound = False
        self.terms = list(losses or [])
        self.variables = list(variables)
        names = [
            name if not math.isfinite(value) else f"{name} ({value:.3g})"
            for name, value in (losses or {}).items()
        ] or _shortened(self.variables)
        self.message = (
            f"Training stopped {when} of epoch {self._epoch + 1}, because "
            f"{what}: {', '.join(names)}."
        )
        if self._before:
            self.message += (
                " Before the first step these variables were not finite: "
                f"{', '.join(_shortened(list(self._before)))}."
            )
        self.message += (
            " Lower the learning rate or the weight of the term, or look for "
            "labels out of range and for images that are not finite."
        )
        text = self.message
        if self._kept is not None:
            WeightState(self.model).restore(self._kept)
            text += " The weights are put back to " + (
                "what they were before the training."
                if self._kept_epoch is None
                else f"the end of epoch {self._kept_epoch + 1}."
            )
        warnings.warn(text, stacklevel=2)
        self.model.stop_training = True


def _not_finite(logs, terms):
    """The losses in `logs` that are no numbers, and what they are.

    Terms first: when one is named, it is the cause.
    """
    outputs = [name for name in logs if name.endswith("_loss")]
    names = dict.fromkeys([*terms, "loss", *outputs])
    return {
        name: float(logs[name])
        for name in names
        if name in logs and not math.isfinite(float(logs[name]))
    }


def _shortened(names, most=5):
    if len(names) <= most:
        return names
    return [*names[:most], f"and {len(names) - most} more"]
