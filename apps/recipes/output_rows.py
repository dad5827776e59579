"""Recipes that train another head beside the new classifier."""

from kerastl.apps.recipes.recipe import Recipe

# The factories import what they make, so that the table is there at once.


def _lwf(setting):
    from kerastl.losses import LwF

    return [LwF(setting.source)]


def _distillation(setting):
    from kerastl.losses import LogitsDistillation

    return [LogitsDistillation(setting.source)]


def _co_tuning(setting):
    from kerastl.losses import CoTuning
    from kerastl.losses import class_relation

    relation = class_relation(
        setting.source,
        setting.data.calibration,
        num_classes=setting.data.num_classes,
    )
    return [CoTuning(setting.source, relation)]


def _bi_tuning(setting):
    from kerastl.losses import BiTuning

    return [BiTuning(flip=setting.flips, seed=setting.seed)]


PURPOSE = "To learn from a second classifier"
ROWS = [
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
        cost=1.11,
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
        cost=1.08,
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
    ),
    Recipe(
        name="bi_tuning",
        title="Bi-Tuning",
        paper="Zhong et al., 2020",
        summary="contrasts the features of a class with those of others",
        where=("losses.BiTuning",),
        weighted=True,
        transfer_losses=_bi_tuning,
        cost=1.36,
        exact="assumed",
    ),
]
