from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING
from typing import Any
from typing import Self

import keras
from keras import ops

from kerastl.arguments import checked_model
from kerastl.arguments import checked_number
from kerastl.data.batches import as_inputs
from kerastl.surgery.class_outputs import class_outputs
from kerastl.surgery.class_outputs import class_probabilities
from kerastl.surgery.feature_extractor import frozen_copy
from kerastl.surgery.graph import is_graph
from kerastl.training.transfer_loss import TransferLoss
from kerastl.training.transfer_loss import batch_mean
from kerastl.types import Tensor

if TYPE_CHECKING:
    from kerastl.fine_tuner import FineTuner
    from kerastl.training.transfer_loss import TransferStep


class AnswerDistillation(TransferLoss):
    """Base of the terms that pull answers of the student to better ones.

    A subclass says which, by `pair(images, outputs)`.

    Args:
        weight: Factor of the term in the total loss.
        temperature: What logits are divided by before they are compared.
        name: Name in the progress bar and in `History`.
    """

    needs_source = False

    def __init__(self, weight: float, temperature: float, name: str) -> None:
        super().__init__(weight, name=name)
        self.temperature = checked_number("temperature", temperature, above=0)

    def build(self, tuner: FineTuner) -> None:
        self.kind = class_outputs(tuner.student, tuner.loss)

    def pair(self, images: Tensor, outputs: Tensor) -> tuple[Tensor, Tensor]:
        """Better answers, and those of the student that learn from them.

        Args:
            images: Those of the step, labelled and then unlabelled.
            outputs: What the student says of them.

        Returns:
            Two tensors of probabilities `(batch, classes)`, the first without
            gradient.
        """
        raise NotImplementedError

    def compute(self, step: TransferStep) -> Tensor:
        images, outputs = step.x, step.predictions
        if step.unlabelled is not None:
            images, outputs = (
                ops.concatenate([labelled, unlabelled])
                for labelled, unlabelled in (
                    (images, step.unlabelled.x),
                    (outputs, step.unlabelled.predictions),
                )
            )
        taught, given = map(self._softened, self.pair(images, outputs))
        values = ops.sum(ops.exp(taught) * (taught - given), axis=-1)
        values = self.temperature**2 * values
        weights = step.sample_weight
        if weights is not None and step.unlabelled is not None:
            weights = ops.cast(ops.reshape(weights, (-1,)), "float32")
            count = ops.shape(step.unlabelled.predictions)[0]
            weights = ops.concatenate([weights, ops.ones((count,))])
        return batch_mean(values, weights)

    def _softened(self, probabilities):
        """Log-probabilities at the temperature."""
        logits = ops.log(ops.maximum(probabilities, 1e-7))
        return ops.log_softmax(logits / self.temperature)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["taps"], config["tap_weights"]
        return config


@keras.saving.register_keras_serializable(package="kerastl")
class TeacherDistillation(AnswerDistillation):
    """Distillation: the student learns the answers of a better network.

    The teacher is a classifier of the same classes: wider, deeper, or one
    that looks at larger images. It sees what the student sees, the same crops
    of labelled and of unlabelled images, in one pass; with its probabilities
    `t` and the student's `s`, the mean over all images of

        T^2 * KL( softmax(log t / T) || softmax(log s / T) )

    Of a network with a softmax `log t` stands for its logits, which differ
    from them by a constant. The term is 0 where both agree, and its gradient
    does not fade with `T`. Of several teachers the probabilities are
    averaged: methods that err in different photos outvote each other.

    The term keeps frozen copies, which are saved with the tuner. A teacher is
    never changed, never runs in `evaluate` or `predict`, and never ships.

    Args:
        teacher: A functional or sequential `keras.Model`, or a list of them,
            with the student's classes in the student's order, which read the
            color images that the student reads. Images are resized where
            a teacher takes others.
        weight: Factor of the term in the total loss.
        temperature: `T`. More than 1 makes small probabilities count.
        name: Name in the progress bar and in `History`.

    Raises:
        ValueError: If there is no teacher or one that is no classifier of
            color images, or the temperature is not positive;
            at `compile`, if a teacher has other classes, or it cannot be told
            what its outputs are.

    Example:

    ```python
    tuner = kerastl.FineTuner(student)
    tuner.compile(
        optimizer=keras.optimizers.Adam(0.0005),
        loss="sparse_categorical_crossentropy",
        transfer_losses=[kerastl.losses.TeacherDistillation(teacher)],
    )
    tuner.fit(kerastl.data.with_unlabelled(train, unlabelled), epochs=20)
    ```

    References:
        - Hinton, Vinyals and Dean, "Distilling the Knowledge in a Neural
          Network", 2015, section 2.
        - Beyer et al., "Knowledge distillation: A good teacher is patient and
          consistent", CVPR 2022, section 3: the same crop for both. Their
          term has no labels beside it.
    """

    def __init__(
        self,
        teacher: keras.Model | Sequence[keras.Model],
        weight: float = 2.0,
        temperature: float = 2.0,
        name: str = "teacher_distillation",
    ) -> None:
        super().__init__(weight, temperature, name)
        several = isinstance(teacher, (list, tuple))
        teachers = list(teacher) if several else [teacher]
        if not teachers:
            raise ValueError(
                "Distillation takes at least one teacher. Received: teacher=[]"
            )
        for each in teachers:
            check_teacher(each)
        self.teachers = [_frozen(each) for each in teachers]

    @property
    def layers(self) -> list[keras.layers.Layer]:
        return self.teachers

    @property
    def frozen_models(self) -> list[keras.Model]:
        return self.teachers

    def build(self, tuner: FineTuner) -> None:
        super().build(tuner)
        self.kinds = [class_outputs(each) for each in self.teachers]
        own = _classes(tuner.student)
        for each in self.teachers:
            if _classes(each) != own:
                raise ValueError(
                    "A teacher tells the student's classes apart, in the same "
                    "order. Fine-tune the teacher on the student's data "
                    f"first. Received: teacher {each.name!r} with "
                    f"{_classes(each)} classes, student with {own}"
                )

    def pair(self, images: Tensor, outputs: Tensor) -> tuple[Tensor, Tensor]:
        given = class_probabilities(outputs, self.kind)
        return self.answers(images), given

    def answers(self, images: Tensor) -> Tensor:
        """The teachers' mean probabilities `(batch, classes)`, no gradient."""
        found = [
            class_probabilities(_outputs(teacher, images), kind)
            for teacher, kind in zip(self.teachers, self.kinds, strict=True)
        ]
        return ops.stop_gradient(sum(found) / len(found))

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "teacher": [
                keras.saving.serialize_keras_object(each)
                for each in self.teachers
            ],
            "temperature": self.temperature,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        teachers = map(keras.saving.deserialize_keras_object, config["teacher"])
        return cls(**{**config, "teacher": list(teachers)})


def check_teacher(model):
    """Refuses what cannot teach, before anything is asked of it.

    Args:
        model: A `keras.Model`.

    Raises:
        ValueError: If it is subclassed, no classifier of single images, or
            holds what is no number.
    """
    checked_model("teacher", model)
    reason = None
    if not model.built or not is_graph(model):
        reason = "it is subclassed or not built, so that its layers are unknown"
    elif len(model.inputs) != 1 or len(model.outputs) != 1:
        counts = len(model.inputs), len(model.outputs)
        reason = "it has {} inputs and {} outputs".format(*counts)
    elif len(model.inputs[0].shape) != 4 or _channels(model) != 3:
        reason = f"it reads {tuple(model.inputs[0].shape)}, no color images"
    elif len(model.outputs[0].shape) != 2:
        reason = "it ends in feature maps, not in one number a class"
    elif broken := _not_finite(model):
        reason = f"its variable {broken!r} holds NaN or infinite values"
    if reason:
        raise ValueError(
            f"The network cannot teach: {reason}. A teacher is a Functional or "
            "Sequential classifier of color images. "
            f"Received: teacher={model.name!r}"
        )


def _not_finite(model):
    """Path of a variable that holds no numbers, `None` where all do."""
    for variable in model.variables:
        if keras.backend.is_float_dtype(variable.dtype):
            values = ops.cast(variable.value, "float32")
            if not bool(ops.all(ops.isfinite(values))):
                return variable.path
    return None


def _frozen(model):
    """A frozen copy from one tensor to one tensor."""
    copy = frozen_copy(model)
    copy = keras.Model(copy.inputs[0], copy.outputs[0], name=copy.name)
    copy.trainable = False
    return copy


def _channels(model):
    first = keras.config.image_data_format() == "channels_first"
    return model.inputs[0].shape[1 if first else -1]


def _classes(model):
    """How many classes a model tells apart; one output is a yes or no."""
    return max(model.outputs[0].shape[-1], 2)


def _outputs(teacher, images):
    images = as_inputs(teacher, _resized(images, teacher))
    return teacher(images, training=False)


def _resized(images, model):
    first = 2 if keras.config.image_data_format() == "channels_first" else 1
    size = tuple(model.inputs[0].shape[first : first + 2])
    if None in size or tuple(images.shape[first : first + 2]) == size:
        return images
    return ops.image.resize(images, size)
