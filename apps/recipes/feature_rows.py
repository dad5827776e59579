"""Recipes that compare the student's features with its source's."""

from kerastl.apps.recipes.recipe import Recipe

# The factories import what they make, so that the table is there at once.


def _ktft_losses(setting):
    from kerastl.losses import GlobalLevel
    from kerastl.losses import PixelLevel

    # Found in tests/benchmarks/blur_repair.py.
    return [PixelLevel(10.0, relative=True), GlobalLevel(10.0, relative=True)]


ROWS = [
    Recipe(
        name="ktft",
        title="KTFT",
        paper="Suzuki et al., ICIP 2021; IEEE Access 2022",
        summary="keeps the features of an anti-aliased copy near the source's",
        uses_source=True,
        transfer_losses=_ktft_losses,
        learning_rate=0.01,
        exact="assumed",
    ),
]
