"""Recipes that keep the source's classifier at work beside the new one."""

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


ROWS = [
    Recipe(
        name="lwf",
        title="LwF",
        paper="Li and Hoiem, ECCV 2016",
        summary="keeps what the source's classifier says of the new images",
        uses_source=True,
        needs_source_head=True,
        transfer_losses=_lwf,
    ),
    Recipe(
        name="distillation",
        title="Logits distillation",
        paper="Hinton, Vinyals and Dean, 2015",
        summary="the source's frozen classifier must read the same as before",
        uses_source=True,
        needs_source_head=True,
        transfer_losses=_distillation,
    ),
    Recipe(
        name="co_tuning",
        title="Co-Tuning",
        paper="You et al., NeurIPS 2020",
        summary="trains the source's classifier too, on translated labels",
        needs_source_head=True,
        transfer_losses=_co_tuning,
    ),
]
