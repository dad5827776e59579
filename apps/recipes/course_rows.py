"""Recipes of other steps, new starts, two heads, fewer weights."""

import warnings

import keras

from kerastl.apps.recipes.recipe import Recipe

# The functions import what they use, so that the table is there at once.


_DECAY = 0.5


def _layer_decay(rate, recipe, setting):
    from kerastl.optimizers import layer_decay_optimizer

    return layer_decay_optimizer(
        setting.student, recipe.base(rate), decay=_DECAY
    )


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


OPTIMIZER_ROWS = [
    Recipe(
        name="layer_decay",
        title="Layer-decayed learning rate",
        paper="Howard and Ruder, ACL 2018",
        summary="halves the rate from stage to stage down to the input",
        where=("optimizers.layer_decay_optimizer",),
        make_optimizer=_layer_decay,
        rates_by_layer=True,
        cost=1.02,
        differs=f"each stage has {_DECAY:g} times the rate of the one above; "
        "published: each layer has it divided by 2.6",
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
        conflicts=(("patience", "it trains more stages at planned steps"),),
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

    needed = 2 * _STEPS_OF_A_PERIOD
    if setting.steps < needed:
        warnings.warn(
            "A classifier that RIFLE draws anew does not come back in so few "
            f"steps. Train for more epochs or in smaller batches, {needed} "
            "steps at least, or choose another method. "
            f"Received: steps={setting.steps}",
            stacklevel=2,
        )
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
    from kerastl.optimizers import head_optimizer

    if type(optimizer) not in (keras.optimizers.Adam, keras.optimizers.SGD):
        # The rates are another method's, such as those of gates.
        return optimizer
    return head_optimizer(setting.student, optimizer, _HEAD_FACTOR)


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


_DRAWN_ANEW = tuple(
    (option, "it draws weights anew at planned epochs")
    for option in ("patience", "average")
)

SCHEDULE_ROWS = [
    Recipe(
        name="rifle",
        title="RIFLE",
        paper="Li et al., ICML 2020",
        summary="draws the classifier anew up to three times on the way",
        where=("callbacks.RIFLE",),
        rates_by_layer=True,
        adapt_optimizer=_fast_head,
        callbacks=_rifle,
        draws=True,
        cost=0.97,
        exact="assumed",
        conflicts=_DRAWN_ANEW,
        differs=f"the classifier starts every period at {_HEAD_FACTOR:g} times "
        f"the network's rate, and of more than two periods each has "
        f"{_STEPS_OF_A_PERIOD} steps at least: with a few hundred photos it "
        "does not come back otherwise",
    ),
    Recipe(
        name="cyclic",
        title="Cyclic learning rate",
        paper="Loshchilov and Hutter, ICLR 2017",
        summary="restarts the learning rate three times, the weights go on",
        where=("schedules.CyclicCosine",),
        schedule=_cyclic_cosine,
        cost=1.05,
        conflicts=(
            ("patience", "it restarts the learning rate at planned epochs"),
        ),
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
        draws=True,
        cost=1.0,
        exact="assumed",
        conflicts=_DRAWN_ANEW,
    ),
]


# Of the published weights, where the classes are new: those are for trainings
# that are fifty times as long. Here they cost up to three points, Co-Tuning's
# nineteen (tests/benchmarks/transfer/results.csv, rows of `strength` 10).
_SHARE_OF_PUBLISHED = 0.1


_WEIGHTS = (
    f"where the classes are new the weight is {_SHARE_OF_PUBLISHED:g} times "
    "the published one, which is for trainings fifty times as long"
)


def _share(setting):
    return _SHARE_OF_PUBLISHED if setting.new_head else 1.0


def _lwf(setting):
    from kerastl.losses import LwF

    return [LwF(setting.source, weight=_share(setting))]


def _distillation(setting):
    from kerastl.losses import LogitsDistillation

    return [LogitsDistillation(setting.source, weight=_share(setting))]


def _co_tuning(setting):
    from kerastl.losses import CoTuning
    from kerastl.losses import class_relation

    relation = class_relation(
        setting.source,
        setting.data.calibration,
        num_classes=setting.data.num_classes,
    )
    return [CoTuning(setting.source, relation, weight=2.3 * _share(setting))]


def _bi_tuning(setting):
    from kerastl.losses import BiTuning

    return [BiTuning(flip=setting.flips, seed=setting.seed)]


OUTPUT_ROWS = [
    Recipe(
        name="lwf",
        title="LwF",
        paper="Li and Hoiem, ECCV 2016",
        summary="keeps what the source's classifier says of the new images",
        where=("losses.LwF",),
        weighted=True,
        uses_source=True,
        needs_source_head=True,
        transfer_losses=_lwf,
        passes=(1, 0, 0),
        cost=1.11,
        differs=_WEIGHTS,
    ),
    Recipe(
        name="distillation",
        title="Logits distillation",
        paper="Hinton, Vinyals and Dean, 2015",
        summary="the source's frozen classifier reads the same as before",
        where=("losses.LogitsDistillation",),
        weighted=True,
        uses_source=True,
        needs_source_head=True,
        transfer_losses=_distillation,
        passes=(1, 0, 0),
        cost=1.08,
        differs=_WEIGHTS,
    ),
    Recipe(
        name="co_tuning",
        title="Co-Tuning",
        paper="You et al., NeurIPS 2020",
        summary="trains the source's classifier too, on translated labels",
        where=("losses.CoTuning",),
        weighted=True,
        needs_source_head=True,
        transfer_losses=_co_tuning,
        cost=0.99,
        differs=_WEIGHTS,
    ),
    Recipe(
        name="bi_tuning",
        title="Bi-Tuning",
        paper="Zhong et al., 2020",
        summary="contrasts the features of a class with those of others",
        where=("losses.BiTuning",),
        weighted=True,
        transfer_losses=_bi_tuning,
        draws=True,
        passes=(0, 2, 0),
        cost=1.36,
        exact="assumed",
        conflicts=(
            ("mixing", "it contrasts images of one class with those of others"),
        ),
    ),
]


_SPARSITY = 0.5
_NUM_CLUSTERS = 16
_CHANGES = 20


def _pruning(setting):
    from kerastl.callbacks import MagnitudePruning
    from kerastl.schedules import PolynomialSparsity

    # The last quarter of the training has its final zeros.
    steps = max(1, 3 * setting.steps // 4)
    frequency = max(1, steps // _CHANGES)
    schedule = PolynomialSparsity(
        0.0,
        _SPARSITY,
        begin_step=0,
        end_step=steps // frequency * frequency,
        frequency=frequency,
    )
    return [MagnitudePruning(schedule)]


def _clustering(setting):
    from kerastl.callbacks import WeightClustering

    # A new head has to learn before its weights belong together.
    first = setting.epochs - max(1, setting.epochs // 4)
    return [
        WeightClustering(_NUM_CLUSTERS, seed=setting.seed, first_epoch=first)
    ]


def _narrow(setting):
    from kerastl.surgery import prune_channels

    return prune_channels(setting.student, fraction=0.25)


_AT_THE_END = tuple(
    (option, "what it makes of the weights is only there at the end")
    for option in ("best", "average", "patience")
)

COMPRESSION_ROWS = [
    Recipe(
        name="pruning",
        averages=False,
        title="Magnitude pruning",
        paper="Zhu and Gupta, 2017",
        summary="sets the smaller half of the weights to zero on the way",
        where=("callbacks.MagnitudePruning",),
        callbacks=_pruning,
        cost=1.09,
        conflicts=_AT_THE_END,
    ),
    Recipe(
        name="clustering",
        averages=False,
        title="Weight clustering",
        paper="Han, Mao and Dally, ICLR 2016",
        summary="gives every kernel 16 values and trains those at the end",
        where=("callbacks.WeightClustering",),
        callbacks=_clustering,
        draws=True,
        cost=1.04,
        conflicts=_AT_THE_END,
    ),
    Recipe(
        name="channel_pruning",
        averages=False,
        title="Channel pruning",
        paper="Li et al., ICLR 2017",
        summary="takes a quarter of the channels out before training",
        where=("surgery.prune_channels",),
        surgery=_narrow,
        narrows=True,
        batch_norm="train",
        cost=0.86,
    ),
]
