"""A callback that keeps the best epoch, and ends a training behind it."""

import math

import keras

from kerastl.callbacks.weight_state import WeightState


class BestEpoch(keras.callbacks.Callback):
    """Remembers the epoch that validation images find best.

    The best has the highest `accuracy` on them, and of several the one with
    the lowest `loss`. Keras's `ModelCheckpoint` and `EarlyStopping` look at
    one of both, and begin anew where a killed training goes on: what this
    callback has found is kept in the training's `EpochCheckpoint`.

    It stands in front of `keras.callbacks.SwapEMAWeights`, so that the weights
    that it keeps are those that were looked at.

    Args:
        keeps: Whether the weights of the best epoch are put back at the end.
        patience: Epochs without a better one after which the training ends,
            or `None`.

    Attributes:
        found: Dict of `epoch`, `accuracy` and `loss` of the best, empty before
            there is one.
        values: Its weights as arrays, or `None`.
    """

    def __init__(self, keeps=True, patience=None):
        super().__init__()
        self.keeps = keeps
        self.patience = patience
        self.found = {}
        self.values = None

    def is_over(self, epochs):
        """Whether patience is at its end, after so many epochs."""
        best = self.found.get("epoch", 0)
        return self.patience is not None and epochs - best >= self.patience

    def on_epoch_begin(self, epoch, logs=None):
        self._epoch = epoch + 1

    def on_test_end(self, logs=None):
        accuracy, loss = (float(logs[name]) for name in ("accuracy", "loss"))
        if not math.isfinite(loss):
            return
        if self.found and (accuracy, -loss) <= (
            self.found["accuracy"],
            -self.found["loss"],
        ):
            return
        self.found = {"epoch": self._epoch, "accuracy": accuracy, "loss": loss}
        if self.keeps:
            self.values = [
                keras.ops.convert_to_numpy(weight).copy()
                for weight in WeightState(self.model).weights
            ]

    def on_epoch_end(self, epoch, logs=None):
        if self.is_over(epoch + 1):
            self.model.stop_training = True

    def on_train_end(self, logs=None):
        if self.values is None:
            return
        weights = WeightState(self.model).weights
        for weight, value in zip(weights, self.values, strict=True):
            weight.assign(value)


def describe_best(found, epochs):
    """Returns the sentence that says which epoch was kept, and why it ended.

    Args:
        found: One of the list `kept` in a report: `epoch` and `accuracy` of
            the best, `epochs` that were trained, whether its `weights` were
            put back, and `patience`.
        epochs: Number of epochs that were planned.
    """
    kept = ": its weights are kept" if found["weights"] else ""
    text = (
        f"epoch {found['epoch']} was the best, with "
        f"{100 * found['accuracy']:.1f} % of the validation images{kept}"
    )
    if found["epochs"] == epochs:
        return text
    unit = "epoch" if found["patience"] == 1 else "epochs"
    return (
        f"{text}; no better one in {found['patience']} {unit}, so training "
        f"ended after {found['epochs']} of {epochs}"
    )
