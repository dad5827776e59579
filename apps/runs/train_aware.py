"""Training a finished network on with the rounding of its int8 file."""

import warnings
from dataclasses import replace

import keras

import kerastl
from kerastl import export
from kerastl.apps.recipes.recipe import Recipe
from kerastl.apps.recipes.recipe import cosine_decay
from kerastl.apps.recipes.recipe import momentum_sgd
from kerastl.apps.recipes.training_options import TrainingOptions
from kerastl.apps.runs.describe_run import class_counts
from kerastl.apps.runs.describe_run import describe_aware
from kerastl.apps.runs.epoch_checkpoint import save_history
from kerastl.apps.runs.epoch_checkpoint import save_table
from kerastl.apps.runs.export_files import AWARE_MODEL
from kerastl.apps.runs.export_files import MODEL
from kerastl.apps.runs.train_network import train_network
from kerastl.apps.runs.train_run import LOGS
from kerastl.export.runners.inference_model import measure_compression

# SGD with momentum, whose learning rate falls to zero along a cosine.
LEARNING_RATE = 3e-4
# Of both terms of KTFT; the labels' cross-entropy has weight 1. A few photos
# that are seen again and again move the network away from what it was, which
# costs more accuracy than the rounding: its features are held to the float
# network's, and its BatchNormalization statistics stay.
FEATURE_WEIGHT = 10.0
# Of the gradient of all weights together. Where BatchNormalization stands
# still, a small change of an early kernel shifts all features behind it by
# many times their spread: the gradient of the terms may be a hundred times the
# labels', and steps as long as it asks for never come down.
CLIP_NORM = 1.0
_WAY_ON = (
    "The network itself is trained and unharmed: go on with resume=True "
    "(--resume) without quantization-aware epochs (--qat), and choose a scheme "
    "that needs none."
)


def train_aware(
    network,
    data,
    epochs,
    jit_compile=None,
    checkpoint=None,
    progress=None,
    seed=0,
    balance=False,
    record=None,
    log_dir=None,
    label_smoothing=0.0,
):
    """Makes a quantization-aware copy of a network and trains it.

    The copy learns the labels and, with the float network as its source, to
    have the same features (KTFT). What pruning or clustering left in the
    network's kernels stays.

    Args:
        network: The finished float network; it is left as it is.
        data: The `apps.ImageData` that it was trained on. Its training
            images set the ranges that the training starts from.
        epochs: Number of epochs.
        jit_compile: As in `train_network`.
        checkpoint: As in `train_network`.
        progress: As in `train_network`.
        seed: As in `train_network`.
        balance: Whether images count by how rare their class is: for a network
            whose answers were adjusted to count all classes alike.
        record: As in `train_network`.
        log_dir: As in `train_network`.
        label_smoothing: As in `TrainingOptions`, whose other fields are for
            the network itself.

    Returns:
        The quantization-aware network and the history, as `train_network`
        does.

    Raises:
        FloatingPointError: If the training diverges, as `train_network` does.

    Example:

    ```python
    aware, history = train_aware(network, data, epochs=5)
    kerastl.export.to_tflite(aware, "model.tflite", compare_to=network)
    ```
    """
    recipe = replace(RECIPE, dataset=_by_rarity) if balance else RECIPE
    return train_network(
        network,
        network,
        recipe,
        data,
        epochs,
        jit_compile=jit_compile,
        checkpoint=checkpoint,
        progress=progress,
        seed=seed,
        way_on=_WAY_ON,
        record=record,
        log_dir=log_dir,
        options=TrainingOptions(label_smoothing=label_smoothing),
    )


def _rounded(setting):
    with warnings.catch_warnings():
        # Said before the float network was trained: `require_quantizable`.
        warnings.filterwarnings("ignore", message="These layers have no 8-bit")
        return export.quantization_aware(
            setting.student, calibration=setting.data.calibration
        )


def _same_features(setting):
    return [
        kerastl.losses.PixelLevel(FEATURE_WEIGHT, relative=True),
        kerastl.losses.GlobalLevel(FEATURE_WEIGHT, relative=True),
    ]


def _by_rarity(setting, dataset):
    """The batches, with weights of the images: 1 on average."""
    import tensorflow as tf

    counts = class_counts(setting.data)
    weights = counts.sum() / (len(counts) * counts)
    weights = tf.constant(weights, "float32")

    def weigh(x, y):
        if y.dtype.is_floating:
            # Of images that are mixed, each class by its share.
            return x, y, tf.linalg.matvec(y, weights)
        return x, y, tf.gather(weights, y)

    return dataset.map(weigh)


def _clipped_sgd(rate, recipe, setting):
    return recipe.base(rate, global_clipnorm=CLIP_NORM)


def _keep_compression(setting):
    zeros, values = measure_compression(setting.source)
    if values is not None:
        return [kerastl.callbacks.KeepClusters()]
    return [] if zeros is None else [kerastl.callbacks.KeepZeros()]


RECIPE = Recipe(
    name="quantization_aware",
    title="Quantization-aware training",
    paper="Jacob et al., CVPR 2018",
    summary="trains with the rounding of the int8 file",
    uses_source=True,
    surgery=_rounded,
    transfer_losses=_same_features,
    callbacks=_keep_compression,
    schedule=cosine_decay,
    base=momentum_sgd,
    make_optimizer=_clipped_sgd,
    learning_rate=LEARNING_RATE,
)


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
    label_smoothing=0.0,
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
        label_smoothing: As in `train_aware`.

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
                label_smoothing=label_smoothing,
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
