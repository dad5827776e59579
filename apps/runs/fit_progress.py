"""A callback that shows training in one line an epoch."""

import keras

from kerastl.apps.report.say import say


class FitProgress(keras.callbacks.Callback):
    """Shows a bar while an epoch runs, and a line when it is over.

    The line holds the loss, each of its terms, and the accuracy on training
    and validation data.

    Args:
        console: `rich.console.Console` to write to.
        label: Text before one bar that counts epochs and goes when training
            is over. `None` shows a bar an epoch and keeps the lines.

    Example:

    ```python
    console = rich.console.Console()
    model.fit(train, verbose=0, callbacks=[FitProgress(console)])
    ```
    """

    def __init__(self, console, label=None):
        super().__init__()
        self.console = console
        self.label = label
        self.lines = label is None
        self._bar = None

    def set_params(self, params):
        super().set_params(params)
        self._epochs = params.get("epochs") or 1
        self._steps = params.get("steps")

    def on_train_begin(self, logs=None):
        from rich import progress

        # Where nothing can be drawn over, the lines are enough.
        if not self.console.is_interactive:
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
        if self._bar is not None and self.lines:
            loss = (logs or {}).get("loss")
            detail = "" if loss is None else f"loss {loss:.3f}"
            self._bar.update(self._task, completed=batch + 1, detail=detail)

    def on_epoch_end(self, epoch, logs=None):
        if self.lines:
            say(
                self.console,
                describe_epoch(epoch + 1, self._epochs, logs or {}),
            )

    def on_train_end(self, logs=None):
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


def describe_epoch(epoch, epochs, logs, width=80):
    """Returns the line of an epoch, or two where one is too long.

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
    for part in parts:
        if len(lines[-1]) + 2 + len(part) > width:
            lines.append(" " * len(number))
        lines[-1] += f"  {part}"
    return "\n".join(lines)
