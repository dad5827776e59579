import math
import warnings

import keras


class StopOnNaN(keras.callbacks.Callback):
    """Stops training when a loss is no longer a number, and says which.

    Keras's own `TerminateOnNaN` watches the total only. This callback looks
    at the total and at every transfer loss of a `FineTuner`, names those that
    became NaN or infinite, and stops. Weights and history stay as they are.

    Attributes:
        terms: names of the losses that were not finite, empty if all is well.

    Example:

    ```python
    stop = kerastl.callbacks.StopOnNaN()
    tuner.fit(train, epochs=10, callbacks=[stop])
    if stop.terms:
        print("Not finite:", stop.terms)
    ```
    """

    def __init__(self):
        super().__init__()
        self.terms = []

    def on_train_begin(self, logs=None):
        self.terms = []

    def on_train_batch_end(self, batch, logs=None):
        transfer = getattr(self.model, "transfer_losses", [])
        # The total last: when a term is named, it is the cause.
        names = [*(term.name for term in transfer), "loss"]
        self.terms = [
            name
            for name in names
            if name in (logs or {}) and not math.isfinite(float(logs[name]))
        ]
        if self.terms:
            warnings.warn(
                f"Training stopped at batch {batch}, because these losses are "
                f"not finite: {', '.join(self.terms)}. Lower the learning "
                "rate or the weight of the term, or look for labels out of "
                "range.",
                stacklevel=2,
            )
            self.model.stop_training = True
