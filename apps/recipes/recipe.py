"""A method, ready to run: one row of the table of recipes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from dataclasses import field
from dataclasses import replace
from typing import Any

import keras

from kerastl.apps.recipes.training_options import TrainingOptions


@dataclass
class Setting:
    """One training to come: a recipe's functions get it.

    Args:
        student: The network to train, its head in place.
        source: The network that it came from, or `None`.
        data: An `apps.ImageData`; `None` where a recipe does not look at it.
        epochs: Number of epochs.
        steps_per_epoch: Training steps in an epoch.
        learning_rate: Learning rate at the start. `None` takes the recipe's.
        seed: Seed of what the method draws.
        strength: Factor of the weights of the method's terms and penalty.
        source_classes: Names of the source's classes; `None` where they are
            not known.
        new_head: Whether the student's classifier is not the source's, and
            its classes are others.
        findings: What the method found out about the data, for the report.
        validates: Whether the validation part is looked at in training.
        options: The `TrainingOptions`.
        by_epoch: Lists of what a method's callbacks note at the end of every
            epoch, a dict with its number as `epoch`, for the report. A
            training that goes on has those before. At the end they are among
            the findings, as `by_epoch`.
    """

    student: keras.Model
    source: keras.Model | None
    data: Any
    epochs: int
    steps_per_epoch: int
    learning_rate: float | None = None
    seed: int = 0
    strength: float = 1.0
    source_classes: list | None = None
    new_head: bool = False
    findings: dict = field(default_factory=dict)
    validates: bool = True
    options: TrainingOptions = TrainingOptions()
    by_epoch: dict = field(default_factory=dict)

    @property
    def validation(self):
        """Batches of the validation part; `None` if it is not looked at."""
        return self.data.validation if self.validates else None

    @property
    def one_hot(self):
        """Whether labels are probabilities of the classes in training."""
        augmentation = getattr(self.data, "augmentation", None)
        mixes = augmentation is not None and augmentation.mixes
        several = self.student.output_shape[-1] > 1
        return several and (mixes or self.options.label_smoothing > 0)

    @property
    def flips(self):
        """Whether images may be mirrored: whether the data's are."""
        augmentation = self.data.augmentation
        return augmentation is not None and augmentation.flip

    @property
    def steps(self):
        """Training steps in all epochs together."""
        return self.epochs * self.steps_per_epoch


def nothing(setting):
    """The factory of a recipe that adds no terms or callbacks."""
    return []


def same_student(setting):
    """The surgery of a recipe that trains the student as it is."""
    return setting.student


def same_dataset(setting, dataset):
    """The data of a recipe that trains on all images, as they are."""
    return dataset


# 3 and 1 do as well; without any, three trainings with five photos a class had
# three to six points less, and their mean fifteen.
_MOST_GRADIENT = 3.0
# Shorter trainings go on at a smaller rate.
_FEW_STEPS = 40
# Share of the steps in which the learning rate rises.
_WARM_UP = 0.1
# Fewer steps lose what the source knew: of eight without a rise, with five
# photos a class, 11 % was left where four rising ones leave 48.
_LEAST_WARM_UP = 4


def cosine_decay(rate, setting):
    """A learning rate that falls to zero along a cosine."""
    return keras.optimizers.schedules.CosineDecay(rate, setting.steps)


def warm_up_steps(steps) -> int:
    """The steps in which the rate rises: a tenth, or four of very few."""
    return max(int(_WARM_UP * steps), min(_LEAST_WARM_UP, steps // 2))


def warm_cosine_decay(rate, setting):
    """A learning rate that rises, then falls to zero along a cosine.

    Adam's first steps are as long as the rate allows, wherever they lead: at
    their full length they may lose in an epoch what the source knew.
    """
    rising = warm_up_steps(setting.steps)
    if not rising:
        return cosine_decay(rate, setting)
    return keras.optimizers.schedules.CosineDecay(
        0.0, setting.steps - rising, warmup_target=rate, warmup_steps=rising
    )


def warm_constant(rate, setting):
    """A learning rate that rises, then stays: for weights that are averaged.

    The weights go on moving about the lowest point that they are near, and
    their mean lies closer to it than a training that comes to rest.
    """
    rising = warm_up_steps(setting.steps)
    if not rising:
        return rate
    return keras.optimizers.schedules.CosineDecay(
        0.0, setting.steps, warmup_target=rate, warmup_steps=rising, alpha=1.0
    )


def adam(rate, **options):
    """Adam, for weights that are trained already.

    With the statistics of BatchNormalization held, layers differ in scale by
    orders of magnitude: a rate of SGD that moves one lets another explode.
    """
    return keras.optimizers.Adam(rate, **options)


def momentum_sgd(rate, **options):
    """SGD with momentum, for weights that were drawn at random."""
    return keras.optimizers.SGD(rate, momentum=0.9, **options)


def one_optimizer(rate, recipe, setting):
    """One optimizer for all weights."""
    return recipe.base(rate)


def averaging_optimizer(rate, recipe, setting):
    """One optimizer, that ends with the average of the weights on the way.

    Exponential, over half of the training: the weights that it began with
    count for an eighth at the end. At a rate that does not fall, one batch
    may throw a training out of its valley: gradients are clipped.
    """
    return recipe.base(
        rate,
        use_ema=True,
        ema_momentum=max(0.0, 1 - 2 / setting.steps),
        global_clipnorm=_MOST_GRADIENT,
    )


def same_optimizer(setting, optimizer):
    """The optimizer of a recipe that treats all weights alike."""
    return optimizer


@dataclass(frozen=True)
class Recipe:
    """What a method does to a fine-tune, for Python and the command line.

    Losses, regularizers and callbacks keep state, so the row holds functions
    that make them fresh for every run. Each gets the `Setting` of the run.

    Args:
        name: Name in `apps.RECIPES`.
        title: Name to show.
        paper: Where the method was published.
        summary: One line that says what it does.
        where: What it is made of in Python: public names below `kerastl`.
        uses_source: Whether a frozen source network runs beside the student.
        needs_source_head: Whether the method reads the source's classifier.
        needs_index: Whether the training data gives every image's place in
            the training set.
        needs_unlabelled: Whether every batch has unlabelled images beside.
        hides_samples: Whether the method leaves images out of an epoch, by
            the data's `sample_filter`.
        needs_blur_layers: Whether the surgery rewrites blurs that are layers.
        rates_by_layer: Whether the optimizer has several learning rates.
        starts_head: Whether the surgery gives a new classifier its first
            weights. Of other methods it is fitted to the source's features
            before the surgery, see `kerastl.fit_head`.
        narrows: Whether the surgery takes channels out.
        weighted: Whether loss terms or a penalty with a weight are added,
            which the setting's `strength` scales.
        draws: Whether anything is drawn with the setting's `seed`.
        surgery: Function that returns the student to train, rewritten.
        finish: Function that returns the network to ship, what the surgery
            put in folded away; the setting's student is the trained one.
        dataset: Function of the setting and the `tf.data.Dataset` of training
            batches that returns the one to train on.
        transfer_losses: Function that returns the list of transfer losses.
        regularizer: Function that returns the regularizer to attach to the
            student, or `None`.
        callbacks: Function that returns the list of callbacks.
        schedule: Function of the learning rate at the start and the setting
            that returns the rate or its schedule.
        base: Function of the rate or schedule, and of options that all Keras
            optimizers take, that returns an optimizer.
        make_optimizer: Function of the rate or schedule, the recipe and the
            setting that returns the optimizer, made of its `base`.
        adapt_optimizer: Function of the setting and that optimizer, which may
            be another method's, that returns the one to train with.
        batch_norm: BatchNormalization policy of `kerastl.FineTuner`. The
            statistics of ImageNet are better than those of a hundred photos.
        averages: Whether the mean weights of several trainings are a network
            of the same kind: no zeros or clusters that are lost in a mean.
        trains: `False` if no gradient step is taken.
        trainable: `"all"`, or `"head"` to train the classifier only.
        learning_rate: Learning rate at the start, or `None` for the
            preset's.
        rate_factor: Factor of the preset's learning rate.
        passes: What a step cannot do without beside a plain one: passes of
            the source, passes of the student, whole further steps. Where as
            many unlabelled images are seen again, both halves count; a frozen
            branch beside a trained one is passed forward, and backward to
            its input, at the student's resolution.
        cost: Time of a training step, as a multiple of plain fine-tuning's:
            tests/benchmarks/method_cost.json.
        exact: `"exact"` if the published formula, or that of the authors'
            code, is implemented as it is; `"assumed"` if parts of it could not
            be read, or are done otherwise: the docstrings say which, and why.
        differs: What the recipe sets otherwise than the paper, and why;
            `None` where its values are the published ones.
        conflicts: Pairs of what a training may be asked for and the reason
            why this method cannot: `"best"` or `"average"` weights,
            `"patience"`, `"mixing"` images. See `training_options`.
        requires: What has to be installed besides kerastl, and how.

    Example:

    ```python
    recipe = kerastl.apps.get_recipe("ktft")
    setting = Setting(
        student, source, data, epochs=20, steps_per_epoch=50, learning_rate=1e-4
    )
    tuner = kerastl.FineTuner(student, source=source)
    tuner.compile(
        optimizer=recipe.optimizer(setting),
        loss="sparse_categorical_crossentropy",
        transfer_losses=recipe.transfer_losses(setting),
    )
    ```
    """

    name: str
    title: str
    paper: str
    summary: str
    where: tuple = ()
    uses_source: bool = False
    needs_source_head: bool = False
    needs_index: bool = False
    needs_unlabelled: bool = False
    hides_samples: bool = False
    needs_blur_layers: bool = False
    rates_by_layer: bool = False
    starts_head: bool = False
    narrows: bool = False
    weighted: bool = False
    draws: bool = False
    surgery: Callable = same_student
    finish: Callable = same_student
    dataset: Callable = same_dataset
    transfer_losses: Callable = nothing
    regularizer: Callable | None = None
    callbacks: Callable = nothing
    schedule: Callable = warm_cosine_decay
    base: Callable = adam
    make_optimizer: Callable = one_optimizer
    adapt_optimizer: Callable = same_optimizer
    batch_norm: str = "freeze"
    averages: bool = True
    trains: bool = True
    trainable: str = "all"
    learning_rate: float | None = None
    rate_factor: float = 1.0
    passes: tuple[int, int, int] = (0, 0, 0)
    cost: float | None = None
    exact: str = "exact"
    differs: str | None = None
    conflicts: tuple = ()
    requires: str | None = None

    def highest_rate(self, usual: float, steps: int = _FEW_STEPS) -> float:
        """The learning rate of a run.

        Adam's first steps are of the size of the rate, wherever the first
        batches point. In a training of few there is nothing after them that
        would make up for it: its rate is smaller.

        Args:
            usual: `Preset.usual_rate` of the network.
            steps: Training steps in all epochs together.
        """
        rate = self.learning_rate or usual * self.rate_factor
        if self.base is not adam:
            return rate
        return rate * min(1.0, steps / _FEW_STEPS)

    def optimizer(self, setting: Setting) -> keras.optimizers.Optimizer:
        """Makes the optimizer: Adam whose rate rises and falls, by default.

        Args:
            setting: A `Setting`; without a learning rate it takes the
                recipe's.

        Returns:
            A `keras.optimizers.Optimizer`.

        Raises:
            ValueError: If there is no learning rate or no step.
        """
        rate = setting.learning_rate
        if rate is None:
            rate = self.learning_rate
        if rate is None:
            raise ValueError(
                f"The recipe '{self.name}' takes the learning rate of the "
                "preset. Pass `learning_rate=preset.learning_rate`. "
                "Received: learning_rate=None"
            )
        if setting.steps < 1:
            raise ValueError(
                "A training takes at least 1 step. Received: "
                f"epochs={setting.epochs}, "
                f"steps_per_epoch={setting.steps_per_epoch}"
            )
        made = self.make_optimizer(self.schedule(rate, setting), self, setting)
        return self.adapt_optimizer(setting, made)

    def from_scratch(self) -> Recipe:
        """The recipe for a network of random weights.

        It needs statistics of its own in BatchNormalization, and SGD with
        momentum at a far higher rate (`Preset.scratch_learning_rate`).
        """
        frozen = self.trainable == "all" and self.batch_norm == "freeze"
        warm = self.schedule in (warm_cosine_decay, warm_constant)
        averaging = self.make_optimizer is averaging_optimizer
        return replace(
            self,
            rate_factor=1.0,
            make_optimizer=one_optimizer if averaging else self.make_optimizer,
            base=momentum_sgd,
            batch_norm="train" if frozen else self.batch_norm,
            schedule=cosine_decay if warm else self.schedule,
        )
