"""A recipe and a network become a tuner, ready to fit."""

import kerastl
from kerastl.has_accelerator import has_accelerator


def make_tuner(recipe, setting, jit_compile=None) -> kerastl.FineTuner:
    """Makes the tuner that trains a network as a recipe says.

    Args:
        recipe: An `apps.Recipe` that trains.
        setting: The `Setting` of the run. Its student is replaced by the one
            that the recipe's surgery makes of it.
        jit_compile: Compile the step with XLA. `None` does so on a GPU only.

    Returns:
        A compiled `kerastl.FineTuner` of `setting.student`.
    """
    setting.student = recipe.surgery(setting)
    if recipe.regularizer is not None:
        recipe.regularizer(setting).attach(setting.student)
    if recipe.trainable == "head":
        for layer in below_head(setting.student):
            layer.trainable = False
    tuner = kerastl.FineTuner(
        setting.student,
        source=setting.source if recipe.uses_source else None,
        batch_norm=recipe.batch_norm,
    )
    tuner.compile(
        optimizer=recipe.optimizer(setting),
        loss="sparse_categorical_crossentropy",
        transfer_losses=recipe.transfer_losses(setting),
        metrics=["accuracy"],
        jit_compile=has_accelerator() if jit_compile is None else jit_compile,
    )
    return tuner


def below_head(student):
    """The layers with weights in front of the classifier."""
    *below, _ = [layer for layer in student.layers if layer.weights]
    return below
