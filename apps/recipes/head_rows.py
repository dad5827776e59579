"""Recipes that start from a classifier that is not random."""

from kerastl.apps.recipes.recipe import Recipe
from kerastl.apps.recipes.recipe import averaging_optimizer
from kerastl.apps.recipes.recipe import warm_constant

# The functions import what they need, so that the table is there at once.


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
    from kerastl.apps.presets.imagenet_classes import imagenet_classes

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
    from kerastl.apps.presets.imagenet_classes import imagenet_classes
    from kerastl.apps.report.describe_similarity import describe_similarity

    count = setting.source.output_shape[-1]
    classes = setting.source_classes
    if classes is None and count == 1000:
        classes = list(imagenet_classes().values())
    if classes is None or len(classes) != count:
        classes = [str(index) for index in range(count)]
    setting.findings["similarity"] = describe_similarity(
        made, setting.data.class_names, classes, kind
    )


PURPOSE = "To start the classifier better"
ROWS = [
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
        rate_factor=2.0,
        cost=1.07,
        # The two are published; together, and at this rate, they are ours.
        exact="assumed",
    ),
]
