"""Recipes to begin with: plain, from a better start, with more photos."""

from kerastl.apps.recipes.recipe import Recipe
from kerastl.apps.recipes.recipe import averaging_optimizer
from kerastl.apps.recipes.recipe import warm_constant

# The functions import what they use, so that the table is there at once.


def _l2(setting):
    from kerastl.regularizers import L2

    return L2()


def _l2_sp(setting):
    from kerastl.regularizers import L2SP

    return L2SP(strength=0.1, head_strength=0.01)


_FISHER_IMAGES = 256


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


# Times the preset's, of what starts imprinted and is averaged: looked up, see
# tests/benchmarks/transfer/PROTOCOL.md.
_IMPRINTED_RATE = 2.0

BASELINE_ROWS = [
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
        draws=True,
        cost=1.04,
        exact="assumed",
        differs=f"the Fisher information is that of {_FISHER_IMAGES} of these "
        "photos, divided by its mean",
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


def _similarity(setting):
    import kerastl

    made = kerastl.initialize_head(
        setting.student, setting.source, data=setting.data.calibration
    )
    _keep(setting, made, "mean probability that the source gives its photos")
    return setting.student


def _semantic_similarity(setting):
    import warnings

    import numpy as np

    import kerastl
    from kerastl.surgery.wordnet import WordNet

    wordnet, names = WordNet(), setting.data.class_names
    known = [name for name in names if wordnet.knows(name)]
    unknown = [name for name in names if name not in known]
    matrix = np.zeros((len(names), setting.source.output_shape[-1]))
    if unknown:
        warnings.warn(
            f"WordNet does not know the classes {', '.join(unknown)}: their "
            "photos are compared instead. A folder may have a noun or a "
            "WordNet id, such as n03595614, for its name.",
            stacklevel=2,
        )
        matrix[:] = kerastl.similarity_matrix(
            "posterior", setting.source, setting.data.calibration
        )
    if known:
        matrix[[names.index(name) for name in known]] = (
            kerastl.similarity_matrix(
                "wu_palmer",
                target_classes=known,
                source_classes=_source_classes(setting),
            )
        )
    made = kerastl.initialize_head(setting.student, setting.source, matrix)
    _keep(setting, made, "Wu-Palmer similarity of their names in WordNet")
    return setting.student


def imprinting(setting):
    """The student, each class at the mean features of its photos."""
    import kerastl

    kerastl.imprint_head(setting.student, setting.data.calibration)
    return setting.student


def _source_classes(setting):
    """The names of the source's classes."""
    from kerastl.apps.presets.imagenet import imagenet_classes

    count = setting.source.output_shape[-1]
    classes = setting.source_classes
    if classes is None and count == 1000:
        return list(imagenet_classes())
    if classes is None or len(classes) != count:
        raise ValueError(
            "To compare the names of the classes, those of the source must be "
            "known. Put a labels.txt with one name a line beside its weights. "
            f"Received: {count} source classes, "
            f"{'no' if classes is None else len(classes)} names"
        )
    return classes


def _keep(setting, made, kind):
    """Keeps the similarity for the report."""
    from kerastl.apps.presets.imagenet import imagenet_classes
    from kerastl.apps.report.describe_results import describe_similarity

    count = setting.source.output_shape[-1]
    classes = setting.source_classes
    if classes is None and count == 1000:
        classes = list(imagenet_classes().values())
    if classes is None or len(classes) != count:
        classes = [str(index) for index in range(count)]
    setting.findings["similarity"] = describe_similarity(
        made, setting.data.class_names, classes, kind
    )


HEAD_ROWS = [
    Recipe(
        name="similarity",
        title="Similarity transfer",
        paper="Pascal, Bost and Huet, CBMI 2019",
        summary="starts each class from the source classes it looks like",
        where=("surgery.initialize_head", "surgery.similarity_matrix"),
        needs_source_head=True,
        starts_head=True,
        surgery=_similarity,
        cost=0.99,
        exact="assumed",
    ),
    Recipe(
        name="semantic_similarity",
        title="Semantic similarity transfer",
        paper="Pascal, Bost and Huet, CBMI 2019",
        summary="starts each class from the source classes near in WordNet",
        where=("surgery.wordnet.WordNet", "surgery.initialize_head"),
        needs_source_head=True,
        starts_head=True,
        surgery=_semantic_similarity,
        cost=0.97,
        exact="assumed",
        requires="NLTK (pip install 'kerastl[semantic]') and WordNet "
        "(apt-get install wordnet-base)",
    ),
    Recipe(
        name="imprinting",
        title="Weight imprinting",
        paper="Qi, Brown and Lowe, CVPR 2018",
        summary="starts each class from the mean features of its photos",
        where=("surgery.imprint_head",),
        starts_head=True,
        surgery=imprinting,
        cost=1.07,
    ),
    Recipe(
        name="averaged_imprinting",
        title="Averaged imprinting",
        paper="Qi, Brown and Lowe, CVPR 2018; Polyak and Juditsky, 1992",
        summary="imprinting at a steady rate; ships the average weights",
        where=("surgery.imprint_head",),
        starts_head=True,
        surgery=imprinting,
        schedule=warm_constant,
        make_optimizer=averaging_optimizer,
        rate_factor=_IMPRINTED_RATE,
        cost=1.07,
        exact="assumed",
        differs="imprinting and averaging are published apart; together, and "
        f"at {_IMPRINTED_RATE:g} times the usual rate, they are kerastl's own",
    ),
]


_PAPER = "Abuduweili et al., CVPR 2021"
# Looked up, see tests/benchmarks/transfer/PROTOCOL.md: a threshold of FixMatch,
# and labels by the mean weights of about an eighth of the training. Those of
# the student itself, as published, gained nothing in a hundred steps.
_SURE, _PUBLISHED_SURE = 0.8, 0.95
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


_UNMIXED = (
    ("mixing", "it holds images against unlabelled ones, which are not mixed"),
)

CONSISTENCY_ROWS = [
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
        passes=(2, 0, 1),
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
        passes=(0, 0, 1),
        cost=2.05,
        conflicts=_UNMIXED,
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
        passes=(2, 0, 1),
        cost=2.26,
        exact="assumed",
        conflicts=_UNMIXED,
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
        rate_factor=_IMPRINTED_RATE,
        transfer_losses=_self_training,
        callbacks=_keep_labels,
        draws=True,
        passes=(0, 1, 1),
        cost=2.09,
        # Views, threshold and start are ours.
        exact="assumed",
        differs=f"answers of {_SURE:g} and more are learned, by weights "
        "averaged over an eighth of the training; published: "
        f"{_PUBLISHED_SURE:g}, the student's own. It starts and steps as "
        "averaged_imprinting does",
    ),
]
