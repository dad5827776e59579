"""Recipes that change over time: restarts and re-initialization."""

import keras

from kerastl.apps.recipes.recipe import Recipe

# The factories import what they make, so that the table is there at once.

# A run that is shorter has a period an epoch.
_PERIODS = 4
# What a classifier that is drawn anew needs to come back, and how many times
# as fast as the rest of the network it learns.
_STEPS_OF_A_PERIOD = 40
_HEAD_FACTOR = 10.0


def _periods(setting):
    return min(_PERIODS, setting.epochs)


def _rifle(setting):
    from kerastl.callbacks import RIFLE

    most = max(2, setting.steps // _STEPS_OF_A_PERIOD)
    # The authors' option: at the end of the cosine no classifier comes back.
    return [
        RIFLE(
            min(_periods(setting), most),
            restart_learning_rate=None,
            seed=setting.seed,
        )
    ]


def _fast_head(setting, optimizer):
    from kerastl.optimizers.grouped_optimizer import grouped_optimizer
    from kerastl.surgery.find_head import find_head

    if type(optimizer) not in (keras.optimizers.Adam, keras.optimizers.SGD):
        # The rates are another method's, such as those of gates.
        return optimizer
    head = find_head(setting.student).layer
    body = [
        layer
        for layer in setting.student.layers
        if layer is not head and layer.trainable_weights
    ]
    return grouped_optimizer(
        setting.student, optimizer, [body, [head]], [1.0, _HEAD_FACTOR], [0, 0]
    )


def _lure(setting):
    from kerastl.callbacks import LURE

    return [
        LURE(setting.data.calibration, _periods(setting), seed=setting.seed)
    ]


def _cyclic_cosine(rate, setting):
    from kerastl.schedules import CyclicCosine

    periods = _periods(setting)
    return CyclicCosine(
        rate,
        setting.steps,
        periods,
        # The same epochs as RIFLE's, with which it is compared.
        period=setting.epochs // periods * setting.steps_per_epoch,
    )


PURPOSE = "To start anew on the way"
ROWS = [
    Recipe(
        name="rifle",
        title="RIFLE",
        paper="Li et al., ICML 2020",
        summary="draws the classifier anew up to three times on the way",
        where=("callbacks.RIFLE",),
        rates_by_layer=True,
        adapt_optimizer=_fast_head,
        callbacks=_rifle,
        cost=0.97,
        exact="assumed",
    ),
    Recipe(
        name="cyclic",
        title="Cyclic learning rate",
        paper="Loshchilov and Hutter, ICLR 2017",
        summary="restarts the learning rate three times, the weights go on",
        where=("schedules.CyclicCosine",),
        schedule=_cyclic_cosine,
        cost=1.05,
    ),
    Recipe(
        name="lure",
        title="LURE",
        paper="Ramkumar, Arani and Zonooz, TMLR 2023",
        summary="draws the fifth of the weights anew that matters least",
        where=("callbacks.LURE",),
        callbacks=_lure,
        schedule=_cyclic_cosine,
        batch_norm="train",
        cost=1.0,
        exact="assumed",
    ),
]
