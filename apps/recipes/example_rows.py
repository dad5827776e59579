"""Recipes that change labels or images, or choose those of an epoch."""

import math

import keras

from kerastl.apps.recipes.recipe import Recipe

# The factories import what they make, so that the table is there at once.


def _tcr(setting):
    from kerastl.losses import TCR

    # Sharpened in the second half, where the learning rate is low.
    squeeze = max(1, setting.epochs // 2)
    return [TCR(_count(setting), squeeze_epoch=squeeze)]


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


PURPOSE = "To learn from other labels or images, or from fewer"
ROWS = [
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
    ),
    Recipe(
        name="disturb_label",
        title="DisturbLabel",
        paper="Xie et al., CVPR 2016",
        summary="draws a tenth of the labels anew in every step",
        where=("losses.DisturbLabel",),
        transfer_losses=_disturb_label,
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
        name="adversarial",
        title="Adversarial fine-tuning",
        paper="Jeddi, Shafiee and Wong, 2020",
        summary="trains on images that are changed to be most misleading",
        where=("losses.Adversarial",),
        transfer_losses=_adversarial,
        schedule=_slow_start_fast_decay,
        cost=4.44,
        exact="assumed",
    ),
]
