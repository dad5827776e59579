"""A recipe that trains as a user asks, or the reason why it cannot."""

import dataclasses

from kerastl.apps.recipes.recipe import averaging_optimizer
from kerastl.apps.recipes.recipe import one_optimizer
from kerastl.apps.recipes.recipe import warm_constant
from kerastl.apps.recipes.recipe import warm_cosine_decay

BASELINE = "fine_tune"
_FLAGS = {
    "best": "`keep='best'` (--keep best)",
    "average": "`keep='average'` (--keep average)",
    "patience": "`patience` (--patience)",
    "mixing": "MixUp and CutMix, of which augment='strong' (--augment strong) "
    "has the first",
    "label_smoothing": "`label_smoothing` (--label-smoothing)",
    "head_learning_rate": "`head_learning_rate` (--head-learning-rate)",
}


def adapt_recipe(recipe, options):
    """The recipe with an average of its weights, or a rate for the head.

    Args:
        recipe: An `apps.Recipe` that `check_options` lets pass.
        options: The `TrainingOptions`.

    Returns:
        An `apps.Recipe`.
    """
    if options.keep == "average":
        warm = recipe.schedule is warm_cosine_decay
        recipe = dataclasses.replace(
            recipe,
            make_optimizer=averaging_optimizer,
            # At a rate that falls, most of an average would be of the way.
            schedule=warm_constant if warm else recipe.schedule,
        )
    if options.head_learning_rate == 1:
        return recipe
    make_optimizer = recipe.make_optimizer

    def with_head(rate, recipe, setting):
        from kerastl.optimizers import head_optimizer

        return head_optimizer(
            setting.student,
            make_optimizer(rate, recipe, setting),
            options.head_learning_rate,
        )

    return dataclasses.replace(recipe, make_optimizer=with_head)


def check_options(options, recipe, mixes=False):
    """Raises `ValueError` if a method cannot train as it is asked to.

    Args:
        options: The `TrainingOptions`.
        recipe: The `apps.Recipe`.
        mixes: Whether training images are mixed.
    """
    for name, reason in find_conflicts(options, recipe, mixes).items():
        plain = recipe.name == BASELINE
        other = f", or choose another method, such as {BASELINE}"
        raise ValueError(
            f"The method '{recipe.name}' does not go with {_FLAGS[name]}: "
            f"{reason}. Leave that out{'' if plain else other}. "
            f"Received: method={recipe.name!r}"
        )


def find_conflicts(options, recipe, mixes=False) -> dict[str, str]:
    """What a method cannot do of what it is asked for, and why.

    Args:
        options, recipe, mixes: As in `check_options`.
    """
    asked = {
        "best": options.keep == "best",
        "average": options.keep == "average",
        "patience": options.patience is not None,
        "mixing": mixes,
        "label_smoothing": options.label_smoothing > 0,
        "head_learning_rate": options.head_learning_rate != 1,
    }
    reasons = dict(_reasons(recipe))
    if not recipe.trains:
        reasons = dict.fromkeys(asked, "it trains nothing")
    return {
        name: reasons[name]
        for name, wanted in asked.items()
        if wanted and name in reasons
    }


def _reasons(recipe):
    yield from recipe.conflicts
    if recipe.make_optimizer not in (one_optimizer, averaging_optimizer):
        yield "average", "it has an optimizer, or an average, of its own"
    if recipe.batch_norm != "freeze":
        yield (
            "average",
            "its BatchNormalization statistics train too, and are those of the "
            "last weights, not of their average; 'best' goes with it",
        )
    if recipe.needs_index:
        yield "mixing", "it keeps count of every single image"
    if recipe.trainable == "head":
        yield (
            "head_learning_rate",
            "it trains the classifier alone, at the learning rate itself",
        )
    if recipe.rates_by_layer:
        yield "head_learning_rate", "it sets the rates of layers itself"
    if recipe.hides_samples:
        yield "head_learning_rate", "it sets one rate for all layers by epoch"
