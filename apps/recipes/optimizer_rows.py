"""Recipes whose optimizer treats weights or time in a way of its own."""

from kerastl.apps.recipes.recipe import Recipe

# The functions import what they use, so that the table is there at once.


def _layer_decay(rate, recipe, setting):
    from kerastl.optimizers import layer_decay_optimizer

    return layer_decay_optimizer(setting.student, recipe.base(rate), decay=0.5)


def _staged_unfreezing(rate, recipe, setting):
    from kerastl.optimizers import staged_unfreezing_optimizer
    from kerastl.surgery import layer_groups

    groups = layer_groups(setting.student)
    return staged_unfreezing_optimizer(
        setting.student,
        recipe.base(rate),
        # All stages take part in the second half of the training.
        steps_per_stage=max(1, setting.steps // (2 * len(groups))),
        groups=groups,
    )


def _averaged(rate, recipe, setting):
    return recipe.base(
        rate,
        use_ema=True,
        # Remembers a tenth of the training, however short that is.
        ema_momentum=max(0.0, 1 - 10 / setting.steps),
    )


PURPOSE = "To take other steps"
ROWS = [
    Recipe(
        name="layer_decay",
        title="Layer-decayed learning rate",
        paper="Howard and Ruder, ACL 2018",
        summary="halves the rate from stage to stage down to the input",
        where=("optimizers.layer_decay_optimizer",),
        make_optimizer=_layer_decay,
        rates_by_layer=True,
        cost=1.02,
    ),
    Recipe(
        name="staged_unfreezing",
        title="Staged unfreezing",
        paper="Howard and Ruder, ACL 2018",
        summary="trains the head first, then one more stage at a time",
        where=("optimizers.staged_unfreezing_optimizer",),
        make_optimizer=_staged_unfreezing,
        rates_by_layer=True,
        cost=1.02,
    ),
    Recipe(
        name="ema",
        title="Averaged weights (EMA)",
        paper="Polyak and Juditsky, 1992",
        summary="ships the average of the weights of the last steps",
        make_optimizer=_averaged,
        cost=1.02,
    ),
]
