"""The quantization-aware part of a run."""

import keras

from kerastl.apps.runs.describe_run import describe_aware
from kerastl.apps.runs.export_files import AWARE_MODEL
from kerastl.apps.runs.export_files import MODEL
from kerastl.apps.runs.save_history import save_history
from kerastl.apps.runs.save_history import save_table
from kerastl.apps.runs.train_aware import train_aware
from kerastl.apps.runs.train_run import LOGS

_HISTORY = "history_aware"


def add_aware(
    folder,
    data,
    epochs,
    progress,
    jit_compile=None,
    seed=0,
    balance=False,
    tensorboard=False,
):
    """Trains the network of a run on for int8, if that is not done.

    Writes `model_aware.keras` and `history_aware.json` and `.csv`, and says
    so in `report.json`.

    Args:
        folder: `RunFolder` with `model.keras` and the `report.json` of the
            training. A training that was killed goes on.
        data: The `apps.ImageData` of the run.
        epochs: Number of epochs.
        progress: The `RunProgress`.
        jit_compile: As in `train_network`.
        seed: Seed of what is drawn.
        balance: Whether all classes count alike.
        tensorboard: Whether TensorBoard gets the curves.

    Raises:
        FloatingPointError: If the training diverges; nothing of the copy is
            left then, and the run may go on without it.
    """
    report = folder.read_json("report.json")
    if "aware" in report:
        return
    folder.advance("trained")
    progress.begin("qat", "training a copy with int8 rounding")
    # The same whether the run has come here at once or was resumed.
    keras.utils.set_random_seed(seed)
    checkpoint = folder.file("checkpoint_aware.npz")
    try:
        with folder.noting_divergence():
            aware, history = train_aware(
                folder.load_model(MODEL),
                data,
                epochs,
                jit_compile=jit_compile,
                checkpoint=checkpoint,
                progress=progress,
                seed=seed,
                balance=balance,
                record=lambda columns: save_table(folder, columns, _HISTORY),
                log_dir=folder.file(LOGS) / "qat" if tensorboard else None,
            )
    except FloatingPointError:
        # What cannot be changed would only diverge again.
        for path in (checkpoint, folder.file(f"{_HISTORY}.csv")):
            path.unlink(missing_ok=True)
        raise
    folder.save_model(aware, AWARE_MODEL)
    save_history(folder, history, _HISTORY)
    report["aware"] = {
        "file": AWARE_MODEL,
        "epochs": epochs,
        "history": history,
    }
    report["summary"]["text"] += f" {describe_aware(epochs)}"
    report["settings"]["qat"] = epochs
    folder.write_json("report.json", report)
    checkpoint.unlink(missing_ok=True)
