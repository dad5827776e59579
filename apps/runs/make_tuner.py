"""A recipe and a network become a tuner, ready to fit."""

import kerastl
from kerastl.layers.sum_of_shifts import has_accelerator
from kerastl.surgery import default_taps


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
        regularizer = recipe.regularizer(setting)
        # Of the pre-trained weights alone: the head's is common to all.
        regularizer.strength *= setting.strength
        regularizer.attach(setting.student)
    if recipe.trainable == "head":
        for layer in below_head(setting.student):
            layer.trainable = False
    losses = recipe.transfer_losses(setting)
    for term in losses:
        term.weight *= setting.strength
    tuner = kerastl.FineTuner(
        setting.student,
        source=setting.source if recipe.uses_source else None,
        taps=_taps(losses, setting) if recipe.uses_source else None,
        batch_norm=recipe.batch_norm,
    )
    tuner.compile(
        optimizer=recipe.optimizer(setting),
        loss=(
            "binary_crossentropy"
            if setting.student.output_shape[-1] == 1
            else "sparse_categorical_crossentropy"
        ),
        transfer_losses=losses,
        metrics=["accuracy"],
        jit_compile=has_accelerator() if jit_compile is None else jit_compile,
    )
    return tuner


def _taps(losses, setting):
    """The taps that the losses name, and the default ones for the others.

    `None`, the tuner's default, where no loss names any. Otherwise the others
    are given theirs: they would compare at the named ones too.
    """
    named = [tap for term in losses for tap in term.taps or []]
    if not named:
        return None
    others = [term for term in losses if term.taps is None]
    if others:
        default = default_taps(setting.source, setting.student)
        for term in others:
            term.taps = default
        named = [*default, *named]
    return list(dict.fromkeys(named))


def below_head(student):
    """The layers with weights in front of the classifier."""
    *below, _ = [layer for layer in student.layers if layer.weights]
    return below
