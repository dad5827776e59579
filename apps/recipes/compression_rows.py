"""Recipes that leave a network with fewer or fewer different weights."""

from kerastl.apps.recipes.recipe import Recipe

# The functions import what they use, so that the table is there at once.

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


PURPOSE = "To make the network smaller"
ROWS = [
    Recipe(
        name="pruning",
        averages=False,
        title="Magnitude pruning",
        paper="Zhu and Gupta, 2017",
        summary="sets the smaller half of the weights to zero on the way",
        where=("callbacks.MagnitudePruning",),
        callbacks=_pruning,
        cost=1.09,
    ),
    Recipe(
        name="clustering",
        averages=False,
        title="Weight clustering",
        paper="Han, Mao and Dally, ICLR 2016",
        summary="gives every kernel 16 values and trains those at the end",
        where=("callbacks.WeightClustering",),
        callbacks=_clustering,
        cost=1.04,
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
