"""Recipes that let every image choose between frozen and tuned parts."""

import warnings

from kerastl.apps.recipes.recipe import Recipe

# The functions import what they use, so that the table is there at once.

# Points of accuracy on the training images that folding may cost silently.
_SILENT_LOSS = 0.01
# Learning rates of what decides, as multiples of the network's: assumed, and
# that of the authors' code.
_FILTER_FACTOR = 10.0
_POLICY_FACTOR = 0.1


def _gated_filters(setting):
    from kerastl.surgery import add_gated_filters

    return add_gated_filters(setting.student, seed=setting.seed)


def _routed_blocks(setting):
    from kerastl.surgery import add_block_routing

    return add_block_routing(setting.student, seed=setting.seed)


def _gate_rates(factor):
    def adapt(setting, optimizer):
        from kerastl.optimizers import gate_optimizer

        return gate_optimizer(setting.student, optimizer, factor)

    return adapt


def _folded(setting):
    import kerastl

    folded = kerastl.fold_gates(setting.student, setting.data.calibration)
    if folded.accuracy_before - folded.accuracy_after > _SILENT_LOSS:
        warnings.warn(
            "A network without gates ships, and fixing them cost accuracy on "
            f"the training images: {folded}.",
            stacklevel=2,
        )
    return folded.model


PURPOSE = "To choose for every image what is tuned"
ROWS = [
    Recipe(
        name="adafilter",
        title="AdaFilter",
        paper="Guo et al., AAAI 2020",
        summary="every image chooses each filter, frozen or tuned",
        where=(
            "surgery.add_gated_filters",
            "surgery.fold_gates",
            "optimizers.gate_optimizer",
        ),
        surgery=_gated_filters,
        adapt_optimizer=_gate_rates(_FILTER_FACTOR),
        finish=_folded,
        cost=1.75,
        exact="assumed",
    ),
    Recipe(
        name="spottune",
        title="SpotTune",
        paper="Guo et al., CVPR 2019",
        summary="every image chooses each residual block, frozen or tuned",
        where=("surgery.add_block_routing", "optimizers.gate_optimizer"),
        surgery=_routed_blocks,
        adapt_optimizer=_gate_rates(_POLICY_FACTOR),
        finish=_folded,
        cost=1.18,
        exact="assumed",
    ),
]
