"""A callback that lets a killed training go on where it was."""

import csv
import io
import json
import math
import pathlib

import keras
import numpy as np

from kerastl.export.utils.atomic_write import staged_file
from kerastl.surgery.carry_state import finalize_state


class EpochCheckpoint(keras.callbacks.Callback):
    """Saves, after every epoch, all that the next epoch needs.

    Keras's `BackupAndRestore` writes its file in place, so that a kill while
    it writes loses the run, and it keeps no history. This one writes a single
    `.npz` beside its place and renames it: the model's variables (statistics
    and random generators included), the optimizer's, the epoch and the
    history. Of a `FineTuner` the frozen source and the frozen models of its
    losses are left out: they never change.

    The order in which images are drawn is the data's part: see
    `apps.ImageData.next_epoch`.

    Args:
        path: The `.npz` file. `None` keeps the history only.
        watch: The `kerastl.callbacks.StopOnDivergence` of the training, in
            front of this callback; nothing is saved of an epoch in which it
            found something wrong. `None` looks at the losses alone.
        by_epoch: Dict of lists that other callbacks, in front of this one,
            add to at the end of an epoch. It is saved and restored with the
            rest, and has to be such as JSON holds.
        best: The `BestEpoch` of the training, in front of this callback:
            what it has found is saved and restored with the rest. `None`
            where there is none.

    Attributes:
        saved: The number of the last epoch that was saved, 0 for none.

    Raises:
        ValueError: By `restore`, if the file is of another network or
            optimizer.

    Example:

    ```python
    checkpoint = EpochCheckpoint("run/checkpoint.npz")
    epoch = data.next_epoch = checkpoint.restore(tuner)
    tuner.fit(
        data.train, epochs=20, initial_epoch=epoch, callbacks=[checkpoint]
    )
    ```
    """

    def __init__(self, path, watch=None, by_epoch=None, best=None):
        super().__init__()
        self.path = None if path is None else pathlib.Path(path)
        self.watch = watch
        self.by_epoch = {} if by_epoch is None else by_epoch
        self.best = best
        self.saved = 0
        self.history = {"epoch": []}

    def restore(self, model):
        """Loads the state into the model and its optimizer.

        Args:
            model: The compiled model that will be fitted.

        Returns:
            The number of finished epochs, 0 where there is no checkpoint.
        """
        if self.path is None or not self.path.exists():
            return 0
        if not model.optimizer.built:
            # Some would make their variables a second time.
            model.optimizer.build(model.trainable_variables)
        variables = _variables(model)
        with np.load(self.path) as saved:
            state = json.loads(str(saved["state"]))
            if state["shapes"] != _shapes(variables):
                raise ValueError(
                    "The checkpoint is of another network or optimizer. "
                    f"Received: path={str(self.path)!r}. Start the run anew in "
                    "another folder."
                )
            for index, variable in enumerate(variables):
                variable.assign(saved[f"v{index}"])
            if self.best is not None and state["best"] is not None:
                count = sum(name.startswith("b") for name in saved.files)
                self.best.found = state["best"]
                self.best.values = [
                    saved[f"b{index}"] for index in range(count)
                ] or None
        finalize_state(model)
        self.history = state["history"]
        self.by_epoch.update(state["by_epoch"])
        self.saved = len(self.history["epoch"])
        return self.saved

    def on_epoch_end(self, epoch, logs=None):
        logs = logs or {}
        losses = [logs[name] for name in logs if name.endswith("loss")]
        if not np.all(np.isfinite(losses)):
            return
        if self.watch is not None and self.watch.message:
            return
        self.history["epoch"].append(epoch + 1)
        for name, value in logs.items():
            column = self.history.setdefault(name, [])
            column.append(_finite_or_none(float(value)))
        # An epoch that ended in a peak may still come down.
        if self.watch is not None and not self.watch.sound:
            return
        self.saved = epoch + 1
        if self.path is None:
            return
        variables = _variables(self.model)
        arrays = {
            f"v{index}": keras.ops.convert_to_numpy(variable)
            for index, variable in enumerate(variables)
        }
        found = None
        if self.best is not None:
            found = self.best.found
            arrays |= {
                f"b{index}": value
                for index, value in enumerate(self.best.values or ())
            }
        state = json.dumps(
            {
                "shapes": _shapes(variables),
                "history": self.history,
                "by_epoch": self.by_epoch,
                "best": found,
            }
        )
        with staged_file(self.path, ".npz", overwrite=True) as temporary:
            np.savez(temporary, state=np.array(state), **arrays)


def _variables(model):
    terms = getattr(model, "transfer_losses", [])
    models = [getattr(model, "source", None)]
    models += [each for term in terms for each in term.frozen_models]
    frozen = {
        id(variable)
        for each in models
        if each is not None
        for variable in each.variables
    }
    own = [value for value in model.variables if id(value) not in frozen]
    return [*own, *model.optimizer.variables]


def _shapes(variables):
    # Not the names: Keras counts them up within one process.
    return [list(variable.shape) for variable in variables]


def save_history(folder, history, name="history"):
    """Writes a history as `.json` and as `.csv` to a run's folder.

    The `.csv` is there while a training runs, too: see `save_table`.

    Args:
        folder: The `RunFolder`.
        history: Dict of column name to one value an epoch. What is NaN or
            infinite, as a metric of classes that do not occur may be, is
            `null` in the one file and empty in the other.
        name: Name of both files, without ending.
    """
    folder.write_json(f"{name}.json", _finite(history))
    save_table(folder, history, name)


def save_table(folder, history, name="history"):
    """Writes a history as `.csv`: a head of names, and a line an epoch.

    Args:
        folder, history, name: As in `save_history`.
    """
    history = _finite(history)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(history)
    writer.writerows(zip(*history.values(), strict=True))
    folder.write_text(f"{name}.csv", text.getvalue())


def _finite(history):
    return {
        name: [_finite_or_none(value) for value in column]
        for name, column in history.items()
    }


def _finite_or_none(value):
    """`value` as JSON can hold it: `None` where it is no finite number."""
    return value if value is not None and math.isfinite(value) else None
