"""Recipes that learn from unlabelled images beside the labelled."""

from kerastl.apps.recipes.recipe import Recipe

# The functions import what they need, so that the table is there at once.

_PAPER = "Abuduweili et al., CVPR 2021"


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


PURPOSE = "To learn from photos without labels, too"
ROWS = [
    Recipe(
        name="akc",
        title="Adaptive knowledge consistency",
        paper=_PAPER,
        summary="keeps the features of photos that the source is sure of",
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
]
