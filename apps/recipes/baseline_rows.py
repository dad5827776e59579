"""Recipes of plain fine-tuning and of the regularized baselines."""

from kerastl.apps.recipes.recipe import Recipe

# The factories import what they make, so that the table is there at once.


def _l2(setting):
    from kerastl.regularizers import L2

    return L2()


def _l2_sp(setting):
    from kerastl.regularizers import L2SP

    return L2SP(strength=0.1, head_strength=0.01)


def _l2_sp_fisher(setting):
    import kerastl

    # The source's own head, so that the labels are of the source task.
    fisher = kerastl.estimate_fisher(
        setting.source,
        setting.data.calibration,
        limit=_FISHER_IMAGES,
        normalize=True,
        seed=setting.seed,
    )
    return kerastl.regularizers.L2SP(0.1, 0.01, fisher=fisher)


_FISHER_IMAGES = 256

PURPOSE = "To begin with, and to compare with"
ROWS = [
    Recipe(
        name="fine_tune",
        title="Fine-tuning",
        paper="Yosinski et al., NeurIPS 2014",
        summary="trains all layers from the source weights",
        cost=1.0,
    ),
    Recipe(
        name="linear_probe",
        title="Linear probe",
        paper="Alain and Bengio, 2016",
        summary="trains the classifier on frozen features",
        trainable="head",
        cost=0.25,
    ),
    Recipe(
        name="l2",
        title="L2",
        paper="Li, Grandvalet and Davoine, ICML 2018",
        summary="fine-tuning with weight decay as a loss",
        where=("regularizers.L2",),
        weighted=True,
        regularizer=_l2,
        cost=1.01,
    ),
    Recipe(
        name="l2_sp",
        title="L2-SP",
        paper="Li, Grandvalet and Davoine, ICML 2018",
        summary="pulls the weights back to the source weights",
        where=("regularizers.L2SP",),
        weighted=True,
        regularizer=_l2_sp,
        cost=0.98,
    ),
    Recipe(
        name="l2_sp_fisher",
        title="L2-SP-Fisher",
        paper="Li, Grandvalet and Davoine, ICML 2018",
        summary="pulls back the weights that the source task depends on",
        where=("regularizers.L2SP", "regularizers.estimate_fisher"),
        weighted=True,
        needs_source_head=True,
        regularizer=_l2_sp_fisher,
        cost=1.04,
        exact="assumed",
    ),
    Recipe(
        name="reestimate",
        title="BatchNorm re-estimation",
        paper="baseline",
        summary="only measures the BatchNorm statistics anew, no training",
        where=("surgery.reestimate_batch_norm",),
        batch_norm="reestimate",
        trains=False,
    ),
]
