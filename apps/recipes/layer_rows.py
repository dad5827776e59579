"""Recipes that put layers into the network for its training."""

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


def _stochastic_depth(setting):
    from kerastl.surgery import add_stochastic_depth

    return add_stochastic_depth(setting.student, seed=setting.seed)


def _fold(setting):
    from kerastl.surgery import fold_training_layers

    return fold_training_layers(setting.student)


PURPOSE = "To train with other layers in the network"
ROWS = [
    Recipe(
        name="stoch_norm",
        title="StochNorm",
        paper="Kou et al., NeurIPS 2020",
        summary="normalizes random channels by the source's statistics",
        where=("surgery.add_stoch_norm", "layers.StochNorm"),
        surgery=_stoch_norm,
        finish=_fold,
        batch_norm="train",
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
        cost=0.96,
    ),
]
