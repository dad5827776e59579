from __future__ import annotations

import contextlib
import inspect
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING
from typing import Any
from typing import Literal
from typing import Self

import keras
import numpy as np
from keras import ops

from kerastl.arguments import checked_choice
from kerastl.arguments import checked_count
from kerastl.arguments import checked_number
from kerastl.arguments import checked_probability
from kerastl.data.batches import as_inputs
from kerastl.data.batches import labelled_batches
from kerastl.data.batches import one_hot
from kerastl.data.batches import predict_batch
from kerastl.losses.image_views import StrongView
from kerastl.losses.pseudo_label_selection import AdaptiveThreshold
from kerastl.losses.pseudo_label_selection import CurriculumThreshold
from kerastl.losses.pseudo_label_selection import DistributionAlignment
from kerastl.losses.pseudo_label_selection import FixedThreshold
from kerastl.losses.pseudo_label_selection import LabelCounts
from kerastl.losses.pseudo_label_selection import predicted
from kerastl.losses.sample_statistics import replicas_of
from kerastl.losses.weight_average import WeightAverage
from kerastl.surgery.class_outputs import class_outputs
from kerastl.surgery.class_outputs import class_probabilities
from kerastl.training.transfer_loss import TransferLoss
from kerastl.types import Data
from kerastl.types import Tensor

if TYPE_CHECKING:
    from kerastl.fine_tuner import FineTuner
    from kerastl.training.transfer_loss import TransferStep

_ADAPTED = ("flexmatch", "freematch")
_ALIGNED = ("uniform", "labels")


@keras.saving.register_keras_serializable(package="kerastl")
class PseudoLabels(TransferLoss):
    """Self-training: learn from unlabelled images what one is sure of.

    Of every unlabelled image there are two views. The weak one is labelled by
    the network itself, or by the moving average of its weights; where the
    largest probability reaches the threshold of its class, the student learns
    that class from the strong view. With the probabilities `q` of the weak and
    `p` of the strong views, the mean over all unlabelled images of

        1( max q >= T(argmax q) ) * -log p(argmax q)

    The labels have no gradient. The thresholds `T` are

    - FixMatch's: `threshold` for all classes (`adapt=None`);
    - FlexMatch's: lower for classes that the network has learned less of;
    - FreeMatch's: by how sure the network is, of all images and of each class.
      `threshold` is not used. Its fairness term is left out.

    The student sees the strong views behind the labelled images, in one pass,
    and so do all other terms. The weak views take one more forward pass,
    without gradient, as in `predict`: the published code makes it in training
    mode, which is another thing only where BatchNormalization trains or there
    is dropout. Nothing of it runs in `evaluate`.

    `History` also shows which share of the unlabelled images was believed, as
    `NAME_believed`; `kerastl.callbacks.PseudoLabelHistory` keeps which classes
    they were given, and how often that is right. `label(images)` gives the
    labels of any images.

    Args:
        weight: Factor of the term in the total loss.
        threshold: Least probability that is believed, above 0 and at most 1.
        adapt: `None`, `"flexmatch"` or `"freematch"`.
        align: `None`, or the frequencies of the classes that pseudo-labels are
            aligned with before anything is asked of them: `"uniform"`, or
            those of the `"labels"`.
        momentum: Share that the moving averages of `adapt` and `align` keep of
            themselves in a step. The published 0.999 is for trainings of many
            thousand steps.
        teacher_momentum: Share that the moving average of the weights keeps
            in a step, at most `1 - 1 / n` in step `n`; it labels the weak
            views. `None` for none: the student labels them.
        weak: Keras layer that makes the weak views. `None` takes the images as
            `fit` gives them, which is right where the data augments.
        strong: Keras layer that makes the strong views of the same images.
            Defaults to `StrongView` of images from 0 to 255.
        seed: Seed of the default strong views.
        name: Name in the progress bar and in `History`.

    Raises:
        ValueError: If an argument is out of range; at `compile`, if the
            student predicts no classes, or there are no labels to align with;
            at the start of `fit`, if the batches have no unlabelled images.

    Example:

    ```python
    tuner = kerastl.FineTuner(student)
    tuner.compile(
        optimizer=keras.optimizers.Adam(0.0005),
        loss="sparse_categorical_crossentropy",
        transfer_losses=[kerastl.losses.PseudoLabels(threshold=0.8)],
    )
    tuner.fit(kerastl.data.with_unlabelled(train, unlabelled), epochs=20)
    ```

    References:
        - Sohn et al., "FixMatch: Simplifying Semi-Supervised Learning with
          Consistency and Confidence", NeurIPS 2020, equation 4.
        - Zhang et al., "FlexMatch: Boosting Semi-Supervised Learning with
          Curriculum Pseudo Labeling", NeurIPS 2021, section 3. How many images
          of a class are learned is a moving average, not a count.
        - Wang et al., "FreeMatch: Self-adaptive Thresholding for
          Semi-supervised Learning", ICLR 2023, section 4.1.
        - Berthelot et al., "ReMixMatch", ICLR 2020, section 3.1: alignment.
        - Tarvainen and Valpola, "Mean teachers are better role models",
          NeurIPS 2017, section 2: the average of the weights.
    """

    needs_source = False
    needs_unlabelled = True
    changes_unlabelled = True

    def __init__(
        self,
        weight: float = 1.0,
        threshold: float = 0.95,
        adapt: Literal["flexmatch", "freematch"] | None = None,
        align: Literal["uniform", "labels"] | None = None,
        momentum: float = 0.999,
        teacher_momentum: float | None = None,
        weak: keras.layers.Layer | None = None,
        strong: keras.layers.Layer | None = None,
        seed: int | None = None,
        name: str = "pseudo_labels",
    ) -> None:
        super().__init__(weight, name=name)
        self.threshold = checked_number("threshold", threshold, above=0, most=1)
        if adapt is not None:
            checked_choice("adapt", adapt, _ADAPTED)
        if align is not None:
            checked_choice("align", align, _ALIGNED)
        if teacher_momentum is not None:
            teacher_momentum = checked_probability(
                "teacher_momentum", teacher_momentum
            )
        for each, view in (("weak", weak), ("strong", strong)):
            _check_view(each, view)
        self.adapt = adapt
        self.align = align
        self.momentum = checked_probability(
            "momentum", momentum, below_one=True
        )
        self.teacher_momentum = teacher_momentum
        self.weak = weak
        self.strong = StrongView(seed=seed) if strong is None else strong
        self.thresholds: Any = None
        self.alignment: Any = None
        self.average: Any = None
        self.counts: Any = None
        self._share: Any = None

    @property
    def layers(self) -> list[keras.layers.Layer]:
        made = (
            *(self.weak, self.strong),
            *(self.thresholds, self.alignment, self.average, self.counts),
        )
        return [layer for layer in made if layer is not None]

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        return [] if self._share is None else [self._share]

    def build(self, tuner: FineTuner) -> None:
        self._student = tuner.student
        self.kind = class_outputs(tuner.student, tuner.loss)
        if self.align == "labels" and tuner.loss is None:
            raise ValueError(
                "Pseudo-labels are aligned with the labels of the data, and "
                "the tuner trains without any. Pass `align='uniform'`, or "
                "compile with a loss of the labels. Received: loss=None"
            )
        # One output is the second of two classes.
        classes = max(tuner.student.output_shape[-1], 2)
        if self.adapt == "flexmatch":
            self.thresholds = CurriculumThreshold(
                classes, self.threshold, self.momentum
            )
        elif self.adapt == "freematch":
            self.thresholds = AdaptiveThreshold(classes, self.momentum)
        else:
            self.thresholds = FixedThreshold(classes, self.threshold)
        if self.align is not None:
            self.alignment = DistributionAlignment(
                classes, self.align, self.momentum
            )
        if self.teacher_momentum is not None:
            self.average = WeightAverage(
                tuner.student.trainable_variables,
                self.teacher_momentum,
                from_first=True,
                name="weight_average",
            )
        self.counts = LabelCounts(classes, replicas_of(tuner))
        self._share = keras.metrics.Mean(name=f"{self.name}_believed")

    def change_unlabelled(self, images: Tensor) -> Tensor:
        return _view(self.strong, images)

    def compute(self, step: TransferStep) -> Tensor:
        believed = self.believed(step)
        self.counts.add(believed)
        self._share.update_state(ops.sum(believed, axis=-1))
        given = class_probabilities(step.unlabelled.predictions, self.kind)
        given = ops.log(ops.maximum(given, 1e-7))
        return -ops.mean(ops.sum(believed * given, axis=-1))

    def believed(self, step: TransferStep) -> Tensor:
        """The pseudo-labels, one-hot, and zeros where they are in doubt."""
        images = step.unlabelled.unchanged
        if self.weak is not None:
            images = _view(self.weak, images)
        probabilities = ops.stop_gradient(
            class_probabilities(self._answers(images), self.kind)
        )
        if self.alignment is not None:
            labels = None
            if self.align == "labels":
                labels = one_hot(step.y, step.predictions)
            probabilities = self.alignment.align(probabilities, labels)
        return _believed(probabilities, self.thresholds.update(probabilities))

    def label(
        self, images: Data, batch_size: int = 32
    ) -> tuple[np.ndarray, np.ndarray]:
        """Labels images as the term would now, and changes nothing.

        The weights' average, the alignment and the thresholds are used as the
        training has left them.

        Args:
            images: Array of images, or batches of them, as `fit` takes them.
            batch_size: Images that are looked at together, of an array.

        Returns:
            int array `(images,)` of the classes, and bool array of whether
            they are believed.

        Raises:
            ValueError: If the tuner of the term is not compiled, or there are
                no images.
        """
        if self.thresholds is None:
            raise ValueError(
                "The term has no network yet: compile a `FineTuner` with it "
                f"first. Received: name={self.name!r}"
            )
        batch_size = checked_count("batch_size", batch_size)
        if hasattr(images, "shape") and len(images.shape) != 4:
            raise ValueError(
                "Images come as an array `(count, height, width, channels)`; "
                "of a single one make `image[None]`. "
                f"Received: images of shape {tuple(images.shape)}"
            )
        with self.labelling():
            found = [
                self.label_batch(batch)
                for batch, _ in labelled_batches(images, batch_size, False)
            ]
        if not found:
            raise ValueError(
                "There are no images to label. "
                f"Received: images={type(images).__name__} without any"
            )
        labels, sure = zip(*found, strict=True)
        return np.concatenate(labels), np.concatenate(sure)

    def label_batch(self, images: Tensor) -> tuple[np.ndarray, np.ndarray]:
        """As `label`, of one batch, while `labelling` is open."""
        found = self._probabilities(images)
        believed = _believed(found, self.thresholds.values())
        return (
            ops.convert_to_numpy(ops.argmax(found, axis=-1)),
            ops.convert_to_numpy(ops.sum(believed, axis=-1)) > 0,
        )

    def labelling(self) -> AbstractContextManager[Any]:
        """The student has the weights that label while this is open."""
        if self.average is None:
            return contextlib.nullcontext()
        return self.average.in_place_of(self._student.trainable_variables)

    def _probabilities(self, images):
        if self.weak is not None:
            images = _view(self.weak, images)
        outputs = ops.convert_to_tensor(predict_batch(self._student, images))
        probabilities = class_probabilities(outputs, self.kind)
        if self.alignment is not None:
            probabilities = self.alignment.aligned(probabilities)
        return probabilities

    def _answers(self, images):
        if self.average is None:
            images = as_inputs(self._student, images)
            return self._student(images, training=False)
        return self.average.answers(self._student, images)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["taps"], config["tap_weights"]
        names = ("threshold", "adapt", "align", "momentum", "teacher_momentum")
        views = {
            name: view and keras.saving.serialize_keras_object(view)
            for name, view in (("weak", self.weak), ("strong", self.strong))
        }
        return {
            **config,
            **{name: getattr(self, name) for name in names},
            **views,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        views = {
            name: config[name]
            and keras.saving.deserialize_keras_object(config[name])
            for name in ("weak", "strong")
        }
        return cls(**{**config, **views})


def _believed(probabilities, thresholds):
    """The likeliest classes, one-hot, and zeros where they are in doubt."""
    labels = predicted(probabilities)
    least = ops.sum(labels * thresholds, axis=-1)
    sure = ops.max(probabilities, axis=-1) >= least
    return labels * ops.cast(sure, "float32")[:, None]


def _check_view(name, view):
    if view is not None and not isinstance(view, keras.layers.Layer):
        raise ValueError(
            f"`{name}` must be a Keras layer that changes images, such as "
            "`keras.layers.RandAugment((0, 255))`. "
            f"Received: {name}={view!r}"
        )


def _view(layer, images):
    """What a layer makes of images; augmentation does so in training only."""
    if "training" in inspect.signature(layer.call).parameters:
        return layer(images, training=True)
    return layer(images)
