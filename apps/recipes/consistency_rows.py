"""Recipes that learn from unlabelled images beside the labelled."""

from kerastl.apps.recipes.head_rows import imprinting
from kerastl.apps.recipes.recipe import Recipe
from kerastl.apps.recipes.recipe import averaging_optimizer
from kerastl.apps.recipes.recipe import warm_constant

# The functions import what they need, so that the table is there at once.

_PAPER = "Abuduweili et al., CVPR 2021"
# Looked up, see tests/benchmarks/transfer/PROTOCOL.md: a threshold of FixMatch,
# and labels by the mean weights of about an eighth of the training. Those of
# the student itself, as published, gained nothing in a hundred steps.
_SURE = 0.8
_AVERAGES = 8


def _akc(setting):
    from kerastl.losses import AKC

    return [AKC(setting.source)]


def _arc(setting):
    from kerastl.losses import ARC

    return [ARC()]


def _both(setting):
    return [*_akc(setting), *_arc(setting)]


def _imprinted(setting):
    import kerastl

    # The authors' own imprinting: of the features as they are.
    kerastl.imprint_head(
        setting.student, setting.data.calibration, unit_features=False
    )
    return setting.student


def _self_training(setting):
    from kerastl.losses import PseudoLabels
    from kerastl.losses import StrongView

    return [
        PseudoLabels(
            threshold=_SURE,
            teacher_momentum=max(0.0, 1 - _AVERAGES / setting.steps),
            strong=StrongView(flip=setting.flips, seed=setting.seed),
        )
    ]


def _keep_labels(setting):
    from kerastl.callbacks import PseudoLabelHistory

    history = PseudoLabelHistory(setting.validation)
    history.epochs = setting.by_epoch.setdefault("pseudo_labels", [])
    return [history]


PURPOSE = "To learn from photos without labels, too"
ROWS = [
    Recipe(
        name="akc",
        title="Adaptive knowledge consistency",
        paper=_PAPER,
        summary="keeps the features of photos that the source is sure of",
        where=("losses.AKC",),
        weighted=True,
        uses_source=True,
        needs_source_head=True,
        needs_unlabelled=True,
        transfer_losses=_akc,
        cost=2.21,
        exact="assumed",
    ),
    Recipe(
        name="arc",
        title="Adaptive representation consistency",
        paper=_PAPER,
        summary="makes sure labelled and unlabelled photos look alike",
        where=("losses.ARC",),
        weighted=True,
        needs_unlabelled=True,
        transfer_losses=_arc,
        cost=2.05,
    ),
    Recipe(
        name="akc_arc",
        title="AKC + ARC",
        paper=_PAPER,
        summary="both consistencies, from an imprinted classifier",
        where=("losses.AKC", "losses.ARC"),
        weighted=True,
        uses_source=True,
        needs_source_head=True,
        needs_unlabelled=True,
        starts_head=True,
        surgery=_imprinted,
        transfer_losses=_both,
        cost=2.26,
        exact="assumed",
    ),
    Recipe(
        name="self_training",
        title="Self-training",
        paper="Sohn et al., NeurIPS 2020; Tarvainen and Valpola, NeurIPS 2017",
        summary="learns its own answers to unlabelled photos it is sure of",
        where=(
            "losses.PseudoLabels",
            "losses.StrongView",
            "callbacks.PseudoLabelHistory",
        ),
        weighted=True,
        needs_unlabelled=True,
        starts_head=True,
        surgery=imprinting,
        schedule=warm_constant,
        make_optimizer=averaging_optimizer,
        rate_factor=2.0,
        transfer_losses=_self_training,
        callbacks=_keep_labels,
        cost=2.09,
        # Views, threshold and start are ours.
        exact="assumed",
    ),
]
