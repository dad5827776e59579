"""Recipes that train other layers, and ship the network without them."""

import warnings

from kerastl.apps.recipes.recipe import Recipe

# The functions import what they use, so that the table is there at once.


def _stoch_norm(setting):
    from kerastl.surgery import add_stoch_norm

    return add_stoch_norm(setting.student, p=0.5, seed=setting.seed)


def _smoothing(setting):
    from kerastl.surgery import add_curriculum_smoothing

    return add_curriculum_smoothing(setting.student)


def _curriculum(setting):
    from kerastl.callbacks import CurriculumSmoothing

    return [CurriculumSmoothing.scaled(setting.epochs)]


def _adaptive_blurs(setting):
    from kerastl.layers import BlurPooling2D
    from kerastl.surgery import adapt_blurs
    from kerastl.surgery import antialias

    student = setting.student
    if not any(isinstance(one, BlurPooling2D) for one in student.layers):
        student = antialias(student, kernel_size=3, stem=False)
    return adapt_blurs(student)


def _drop_connect(setting):
    from kerastl.surgery import add_drop_connect

    return add_drop_connect(setting.student, seed=setting.seed)


# Of the last branch.
_SURVIVAL, _PUBLISHED_SURVIVAL = 0.9, 0.5


def _stochastic_depth(setting):
    from kerastl.surgery import add_stochastic_depth

    return add_stochastic_depth(
        setting.student, survival=_SURVIVAL, seed=setting.seed
    )


def _fold(setting):
    from kerastl.surgery import fold_training_layers

    return fold_training_layers(setting.student)


_FADES = tuple(
    (option, "it smooths until the end, and the network ships without")
    for option in ("best", "patience")
)

LAYER_ROWS = [
    Recipe(
        name="stoch_norm",
        title="StochNorm",
        paper="Kou et al., NeurIPS 2020",
        summary="normalizes random channels by the source's statistics",
        where=("surgery.add_stoch_norm", "layers.StochNorm"),
        surgery=_stoch_norm,
        finish=_fold,
        batch_norm="train",
        draws=True,
        cost=1.01,
    ),
    Recipe(
        name="cbs",
        title="Curriculum by smoothing",
        paper="Sinha, Garg and Larochelle, NeurIPS 2020",
        summary="smooths the feature maps, less and less",
        where=(
            "surgery.add_curriculum_smoothing",
            "callbacks.CurriculumSmoothing",
        ),
        surgery=_smoothing,
        finish=_fold,
        callbacks=_curriculum,
        batch_norm="train",
        cost=1.05,
        exact="assumed",
        conflicts=_FADES,
        differs="the published curriculum of 200 epochs is run through in "
        "those of the run",
    ),
    Recipe(
        name="ddac",
        title="Content-adaptive blur (DDAC)",
        paper="Zou et al., BMVC 2020",
        summary="learns what to blur at every place before subsampling",
        where=("surgery.adapt_blurs", "layers.AdaptiveBlurPooling2D"),
        surgery=_adaptive_blurs,
        needs_blur_layers=True,
        batch_norm="train",
        cost=4.81,
    ),
    Recipe(
        name="drop_connect",
        title="DropConnect",
        paper="Wan et al., ICML 2013",
        summary="drops random weights of the classifier in training",
        where=("surgery.add_drop_connect", "layers.DropConnectDense"),
        surgery=_drop_connect,
        finish=_fold,
        draws=True,
        cost=1.06,
    ),
    Recipe(
        name="stochastic_depth",
        title="Stochastic depth",
        paper="Huang et al., ECCV 2016",
        summary="leaves out random residual branches in training",
        where=("surgery.add_stochastic_depth", "layers.StochasticDepth"),
        surgery=_stochastic_depth,
        finish=_fold,
        draws=True,
        cost=0.96,
        differs=f"the last branch survives {_SURVIVAL:g} of the steps; "
        f"published: {_PUBLISHED_SURVIVAL:g}, for networks of a hundred "
        "layers that begin anew",
    ),
]


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


GATE_ROWS = [
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
        draws=True,
        passes=(0, 2, 0),
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
        draws=True,
        passes=(0, 2, 0),
        cost=1.18,
        exact="assumed",
    ),
]
