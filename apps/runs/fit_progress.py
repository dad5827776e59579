"""A callback that shows training in one line an epoch."""

import keras

from kerastl.apps.texts import say


class FitProgress(keras.callbacks.Callback):
    """Shows a bar while an epoch runs, and a line when it is over.

    The line holds the loss, each of its terms, and the accuracy on training
    and validation data.

    Args:
        console: `rich.console.Console` to write to.
        label: Text before one bar that counts epochs and goes when training
            is over. `None` shows a bar an epoch and keeps the lines.
        progress: The `RunProgress` of a run, whose line is drawn instead of a
            bar, and whose console is written to.
        paces: Whether the epochs tell how long the rest of the run takes.

    Example:

    ```python
    console = rich.console.Console()
    model.fit(train, verbose=0, callbacks=[FitProgress(console)])
    ```
    """

    def __init__(self, console, label=None, progress=None, paces=True):
        super().__init__()
        self.console = console
        self.label = label
        self.progress = progress
        self.paces = paces
        self.lines = label is None
        self._bar = None
        self._compiled = False

    def set_params(self, params):
        super().set_params(params)
        self._epochs = params.get("epochs") or 1
        self._steps = params.get("steps")

    def on_train_begin(self, logs=None):
        from rich import progress

        # Where nothing can be drawn over, the lines are enough.
        if self.progress is not None or not self.console.is_interactive:
            return
        self._bar = progress.Progress(
            progress.TextColumn("{task.description}"),
            progress.BarColumn(bar_width=24),
            progress.TextColumn("{task.fields[detail]}"),
            progress.TimeRemainingColumn(compact=True),
            console=self.console,
            transient=True,
        )
        self._task = self._bar.add_task(self.label or "", detail="")
        self._bar.start()

    def on_epoch_begin(self, epoch, logs=None):
        self._epoch = epoch
        if self.progress is not None:
            self._advance(epoch, learn=self.paces)
        if self._bar is None:
            return
        if self.lines:
            self._bar.reset(
                self._task,
                total=self._steps,
                description=f"epoch {epoch + 1} of {self._epochs}",
            )
        else:
            self._bar.update(self._task, total=self._epochs, completed=epoch)

    def on_train_batch_end(self, batch, logs=None):
        loss = (logs or {}).get("loss")
        detail = "" if loss is None else f"loss {loss:.3f}"
        if self.progress is not None:
            self.progress.describe(self._doing(detail))
            if not self._compiled:
                # The first batch compiled, and tells nothing of the others.
                self._compiled = True
                share = self._epoch + 1 / (self._steps or 1)
                self._advance(share, detail, learn=False)
        elif self._bar is not None and self.lines:
            self._bar.update(self._task, completed=batch + 1, detail=detail)

    def on_epoch_end(self, epoch, logs=None):
        left = None
        if self.progress is not None:
            self._advance(epoch + 1, learn=self.paces)
            left = None if self.progress.drawn else self.progress.left()
        if self.lines:
            say(
                self.console,
                describe_epoch(epoch + 1, self._epochs, logs or {}, left),
            )

    def _advance(self, done, detail="", learn=True):
        share = done / self._epochs
        self.progress.advance(share, self._doing(detail), learn)

    def _doing(self, detail=""):
        epoch = f"epoch {self._epoch + 1} of {self._epochs}"
        return ", ".join(filter(None, (self.label, epoch, detail)))

    def on_train_end(self, logs=None):
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


def describe_epoch(epoch, epochs, logs, left=None, width=80):
    """Returns the line of an epoch, or two where one is too long.

    `left` is the time that is left, in words.

    >>> describe_epoch(3, 20, {"loss": 1.25, "accuracy": 0.5})
    ' 3/20  loss 1.25  acc 50.0 %'
    """
    number = f" {epoch:>{len(str(epochs))}}/{epochs}"
    terms = {
        name: value
        for name, value in logs.items()
        if not name.startswith(("val_", "learning_rate")) and name != "accuracy"
    }
    lines = [number]
    # The sum first, then what it is made of.
    parts = [
        f"{name} {terms[name]:.3g}"
        for name in sorted(terms, key=lambda name: name != "loss")
    ]
    for name, label in (("accuracy", "acc"), ("val_accuracy", "val")):
        if name in logs:
            parts.append(f"{label} {100 * logs[name]:.1f} %")
    if left is not None:
        parts.append(left)
    for part in parts:
        if len(lines[-1]) + 2 + len(part) > width:
            lines.append(" " * len(number))
        lines[-1] += f"  {part}"
    return "\n".join(lines)
