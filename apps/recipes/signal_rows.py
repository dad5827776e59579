"""Recipes that change what is learned from: features and examples."""

import math

import keras

from kerastl.apps.recipes.recipe import Recipe

# The functions import what they use, so that the table is there at once.


# Of the share of the features that is missed: what repairs a blurred network
# of the same classes (tests/benchmarks/blur_repair.py), and what is left of it
# where the classes are new. Those want other features: with 25 photos a class
# the first costs four to six points, the second none
# (tests/benchmarks/transfer/results.csv).
_SAME_CLASSES, _NEW_CLASSES = 10.0, 0.1
_SHARES = (
    f"of the features the share that is missed counts, {_SAME_CLASSES:g} times "
    f"where the classes stay and {_NEW_CLASSES:g} times where they are new"
)


def _share_weight(setting):
    return _NEW_CLASSES if setting.new_head else _SAME_CLASSES


def _ktft_losses(setting):
    from kerastl.losses import GlobalLevel
    from kerastl.losses import PixelLevel

    weight = _share_weight(setting)
    return [
        PixelLevel(weight, relative=True),
        GlobalLevel(weight, relative=True),
    ]


def _bss_losses(setting):
    from kerastl.losses import BSS

    return [BSS(0.001)]


def _delta_losses(setting):
    import kerastl

    taps = _convolution_taps(setting)
    images = setting.data.calibration
    head = kerastl.train_head(
        setting.source, images, setting.data.num_classes, seed=setting.seed
    )
    attention = kerastl.compute_channel_attention(
        setting.source, head, images, taps
    )
    # The authors' weight belongs to the features of a ResNet-101: on a
    # MobileNetV2 it lets the loss explode. A share weighs the taps anew, so
    # that the recipe is not the published one.
    weight = _share_weight(setting)
    return [kerastl.losses.DELTA(weight, attention, relative=True)]


def _feature_map_losses(setting):
    from kerastl.losses import DELTA

    taps = _convolution_taps(setting)
    weight = _share_weight(setting)
    return [DELTA(weight, taps=taps, relative=True, name="feature_map")]


def _convolution_taps(setting):
    from kerastl.surgery import convolution_taps

    return convolution_taps(setting.source, setting.student)


def _decay_of_the_head(setting):
    # Put on as surgery, so that the recipe can be joined with L2-SP, whose
    # penalty of the head is the same and takes its place.
    from kerastl.regularizers import L2

    return L2(strength=0.0, head_strength=0.01).attach(setting.student)


def _without_penalties(setting):
    from kerastl.regularizers import detach

    return detach(setting.student)


# 0.01 of the sum over a batch of 64.
_PUBLISHED_DELTA = 0.64

FEATURE_ROWS = [
    Recipe(
        name="ktft",
        title="KTFT",
        paper="Suzuki et al., ICIP 2021; IEEE Access 2022",
        summary="keeps an anti-aliased copy's features near the source's",
        where=("losses.PixelLevel", "losses.GlobalLevel"),
        weighted=True,
        uses_source=True,
        transfer_losses=_ktft_losses,
        passes=(1, 0, 0),
        cost=1.13,
        exact="assumed",
        differs=f"{_SHARES}; the paper's weights are not known",
    ),
    Recipe(
        name="delta",
        title="DELTA",
        paper="Li et al., ICLR 2019",
        summary="keeps the feature maps that the target task needs",
        where=("losses.DELTA", "metrics.compute_channel_attention"),
        weighted=True,
        uses_source=True,
        surgery=_decay_of_the_head,
        finish=_without_penalties,
        transfer_losses=_delta_losses,
        draws=True,
        passes=(1, 0, 0),
        cost=1.1,
        exact="assumed",
        differs=f"{_SHARES}; published: squared distances, in a mean over the "
        f"batch {_PUBLISHED_DELTA:g} times",
    ),
    Recipe(
        name="feature_map",
        title="Feature-map regularization",
        paper="Li et al., ICLR 2019, the ablation without attention",
        summary="keeps all feature maps alike near the source's",
        where=("losses.DELTA",),
        weighted=True,
        uses_source=True,
        surgery=_decay_of_the_head,
        finish=_without_penalties,
        transfer_losses=_feature_map_losses,
        passes=(1, 0, 0),
        cost=1.27,
        exact="assumed",
        differs=f"{_SHARES}; published: squared distances, in a mean over the "
        f"batch {_PUBLISHED_DELTA:g} times",
    ),
    Recipe(
        name="bss",
        title="BSS",
        paper="Chen et al., NeurIPS 2019",
        summary="shrinks the weakest directions of a batch's features",
        where=("losses.BSS",),
        weighted=True,
        transfer_losses=_bss_losses,
        cost=1.0,
    ),
]


# The largest share that the paper finds stable: a third of it cost clean labels
# four points (tests/benchmarks/transfer/PROTOCOL.md).
_LABEL_STAYS = 0.3


def _tcr(setting):
    from kerastl.losses import TCR

    # Sharpened in the second half, where the learning rate is low.
    squeeze = max(1, setting.epochs // 2)
    return [TCR(_count(setting), beta=_LABEL_STAYS, squeeze_epoch=squeeze)]


def _disturb_label(setting):
    from kerastl.losses import DisturbLabel

    return [DisturbLabel(seed=setting.seed)]


def _statistics(setting):
    from kerastl.losses import SampleStatistics

    return [SampleStatistics(_count(setting))]


def _hiding(setting):
    from kerastl.callbacks import KAKURENBO

    data = setting.data

    def read(places):
        return data.images("train", places=places)[0].astype("float32")

    return [
        KAKURENBO(
            data.sample_filter,
            read,
            data.parts["train"].labels,
            learning_rate=_cosine(setting),
            batch_size=data.batch_size,
        )
    ]


def _filtering(setting):
    from kerastl.callbacks import FilteredTransfer

    data = setting.data
    return [
        keras.callbacks.LearningRateScheduler(_cosine(setting)),
        FilteredTransfer(data.sample_filter),
    ]


def _constant(rate, setting):
    """The rate at the start: a callback sets that of every epoch."""
    setting.learning_rate = rate
    return rate


def _cosine(setting):
    """The learning rate by epoch, whatever number of steps an epoch has."""

    def rate(epoch):
        wave = math.cos(math.pi * epoch / setting.epochs)
        return setting.learning_rate * (1 + wave) / 2

    return rate


def _count(setting):
    return len(setting.data.parts["train"])


def _adversarial(setting):
    from kerastl.losses import Adversarial

    return [Adversarial(seed=setting.seed)]


def _slow_start_fast_decay(rate, setting):
    from kerastl.schedules import SlowStartFastDecay

    return SlowStartFastDecay(rate, max(2, setting.steps))


def _shift_consistency(setting):
    from kerastl.losses import ShiftConsistency

    return [ShiftConsistency(seed=setting.seed)]


EXAMPLE_ROWS = [
    Recipe(
        name="tcr",
        title="Temporal calibrated regularization",
        paper="Wu et al., IJCNN 2020",
        summary="mixes each label with what was predicted the epoch before",
        where=("losses.TCR",),
        needs_index=True,
        transfer_losses=_tcr,
        cost=0.98,
        exact="assumed",
        differs=f"{_LABEL_STAYS:g} of each label stays, the most of the 0.05 "
        "to 0.3 that the paper finds stable: less cost clean labels four "
        "points",
    ),
    Recipe(
        name="disturb_label",
        title="DisturbLabel",
        paper="Xie et al., CVPR 2016",
        summary="draws a tenth of the labels anew in every step",
        where=("losses.DisturbLabel",),
        transfer_losses=_disturb_label,
        draws=True,
        cost=0.96,
    ),
    Recipe(
        name="kakurenbo",
        title="KAKURENBO",
        paper="Nguyen et al., NeurIPS 2023",
        summary="hides images that are learned: epochs get shorter",
        where=("callbacks.KAKURENBO", "losses.SampleStatistics"),
        needs_index=True,
        hides_samples=True,
        transfer_losses=_statistics,
        callbacks=_hiding,
        schedule=_constant,
        cost=1.23,
    ),
    Recipe(
        name="filtered_transfer",
        title="Filtered transfer learning",
        paper="Madani Tonekaboni et al., 2020",
        summary="drops the images with the most doubtful labels, twice",
        where=("callbacks.FilteredTransfer", "losses.SampleStatistics"),
        needs_index=True,
        hides_samples=True,
        transfer_losses=_statistics,
        callbacks=_filtering,
        schedule=_constant,
        cost=1.34,
        exact="assumed",
    ),
    Recipe(
        name="shift_consistency",
        title="Shift consistency",
        paper="Laine and Aila, ICLR 2017; Xie et al., NeurIPS 2020",
        summary="learns to answer alike when an image moves",
        where=("losses.ShiftConsistency",),
        weighted=True,
        transfer_losses=_shift_consistency,
        draws=True,
        passes=(0, 0, 1),
        cost=1.51,
        exact="assumed",
    ),
    Recipe(
        name="adversarial",
        title="Adversarial fine-tuning",
        paper="Jeddi, Shafiee and Wong, 2020",
        summary="trains on images that are changed to be most misleading",
        where=("losses.Adversarial",),
        transfer_losses=_adversarial,
        schedule=_slow_start_fast_decay,
        draws=True,
        passes=(0, 14, 0),
        cost=4.44,
        exact="assumed",
    ),
]
