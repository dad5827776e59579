"""Trains a student beside its frozen source."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING
from typing import Any
from typing import Literal
from typing import Self

import keras
from keras import ops

from kerastl.arguments import as_names
from kerastl.data.batches import as_inputs
from kerastl.data.batches import comes_in_batches
from kerastl.data.batches import one_hot
from kerastl.data.batches import one_hot_loss
from kerastl.data.batches import training_share
from kerastl.surgery.batch_norm import reestimate_batch_norm
from kerastl.surgery.batch_norm import set_batch_norm
from kerastl.surgery.feature_extractor import feature_extractor
from kerastl.surgery.feature_extractor import frozen_source
from kerastl.surgery.graph import is_graph
from kerastl.training import fine_tuner_checks as checks
from kerastl.training.training_batch import only
from kerastl.training.training_batch import read_batch
from kerastl.training.training_batch import read_outputs
from kerastl.training.training_batch import sort_outputs
from kerastl.training.training_batch import source_outputs
from kerastl.training.training_batch import transfer_step
from kerastl.training.training_batch import with_embedding
from kerastl.training.transfer_terms import TunerState
from kerastl.training.transfer_terms import change_images
from kerastl.training.transfer_terms import check_batch
from kerastl.types import Tensor

if TYPE_CHECKING:
    from kerastl.training.transfer_loss import TransferLoss


@keras.saving.register_keras_serializable(package="kerastl")
class FineTuner(keras.Model):
    """Trains a student network beside its frozen source.

    A `keras.Model` that adds transfer losses to the training of `student`:
    terms that compare its features with those of the network it came from.
    Everything else is plain Keras: `compile`, `fit`, `evaluate`, `predict`,
    `save`. Features and predictions of the student come from one forward
    pass; the source runs once a training step, unless its features are stored
    (`kerastl.store_source_features`), and never in `evaluate` or `predict`.
    Every term shows in the progress bar and in `History`, bare,
    without its weight; `loss` is what is minimized, all terms at their
    weights and the regularizers included.

    The tuner keeps its own frozen copy of the source, without its head; a
    compiled step computes what the losses ask for of it. The model given as
    `source` is neither frozen nor changed, and may share layers with the
    student. The student is used as it is:
    `tuner.student is student`, a plain model to save and export.

    Some methods need more than images and labels. Their data gives a dict as
    `x`: `{"images": ..., "unlabelled": ..., "index": ...}`, see
    `kerastl.data`. Unlabelled images go through the student in the same pass,
    behind the labelled ones, so that batch statistics are those of both.

    On CPU, XLA (`jit_compile=True`) is slower than the default for networks
    of depthwise convolutions; `"auto"` leaves it out there.

    Args:
        student: the functional or sequential model to train.
        source: the model it came from, or `None` when no transfer loss needs
            one.
        taps: names of the layers to compare, present in both models, at any
            depth. Defaults to the end of each stage, see
            `kerastl.surgery.default_taps`; where there is none, a loss that
            needs taps is refused in `compile`.
        batch_norm: `"train"`, `"freeze"` or `"reestimate"`: how the student's
            BatchNormalization layers behave, see
            `kerastl.surgery.set_batch_norm`. With `"reestimate"`, `fit`
            measures the statistics anew on the training data at its end. The
            networks of `keras.applications` come with a momentum of 0.99 or
            0.999, with which the moving statistics never arrive in a short
            fine-tune: training looks fine and evaluation collapses. The
            default sets it to `batch_norm_momentum`.
        batch_norm_momentum: momentum of the moving statistics. `None` keeps
            each layer's own.
        embedding: name of the layer whose output the student's head reads, or
            a pair for student and source, for the losses that need it. `None`
            finds it, see `kerastl.surgery.find_head`.
        name: name of the tuner.

    Raises:
        ValueError: if a tap is unknown, if the taps or the inputs of the two
            models differ in shape, or if a model has no graph.

    Example:

    ```python
    source = keras.applications.MobileNetV2(weights="imagenet")
    student = kerastl.antialias(source)
    student = kerastl.replace_head(student, num_classes=10)

    tuner = kerastl.FineTuner(student, source=source)
    tuner.compile(
        optimizer=keras.optimizers.SGD(0.01, momentum=0.9),
        loss="sparse_categorical_crossentropy",
        transfer_losses=[
            kerastl.losses.PixelLevel(1.0),
            kerastl.losses.GlobalLevel(10.0),
        ],
        metrics=["accuracy"],
    )
    tuner.fit(train, validation_data=validation, epochs=40)
    tuner.student.save("model.keras")
    ```

    Reference:
        Suzuki et al., "Knowledge Transferred Fine-Tuning for Anti-Aliased
        Convolutional Neural Network in Data-Limited Situation", ICIP 2021.
    """

    def __init__(
        self,
        student: keras.Model,
        source: keras.Model | None = None,
        taps: Sequence[str] | None = None,
        batch_norm: Literal["train", "freeze", "reestimate"] = "train",
        batch_norm_momentum: float | None = 0.9,
        embedding: str | Sequence[str | None] | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        checks.check_models(student, source)
        # Images reach the student as they are: it converts its own inputs,
        # and 0..255 in half precision would lose bits on the way.
        kwargs["autocast"] = False
        kwargs.setdefault("dtype", student.dtype_policy)
        super().__init__(name=name, **kwargs)
        self.batch_norm = batch_norm
        self.batch_norm_momentum = batch_norm_momentum
        self.student = student
        self.source = None
        self.taps = []
        self._state = TunerState()
        taps = None if taps is None else as_names(taps)
        if source is not None:
            checks.check_inputs(student, source)
            if not taps:
                taps, self._state.why_no_taps = checks.default_taps_or_reason(
                    source, student
                )
        else:
            checks.check_taps_have_a_source(taps)
        self.taps = list(taps or [])
        self.embedding = checks.embedding_taps(embedding, student, source)
        if is_graph(student):
            self._state.extractor = feature_extractor(
                student,
                with_embedding(self.taps, self.embedding[0]),
                include_output=True,
            )
        if source is not None:
            self.source = frozen_source(
                source, with_embedding(self.taps, self.embedding[1])
            )
            checks.check_taps(
                self.taps, self._state.extractor.output[1], self.source.output
            )
        set_batch_norm(student, batch_norm, batch_norm_momentum)
        self.built = True

    @property
    def transfer_losses(self) -> list[TransferLoss]:
        """The transfer losses that the tuner was compiled with."""
        return list(self._state.losses)

    @property
    def output_names(self) -> list[str] | None:
        """The student's, by which losses and metrics may be given in a dict."""
        return getattr(self.student, "output_names", None)

    def compile(
        self,
        optimizer: Any = "rmsprop",
        loss: Any = None,
        transfer_losses: Sequence[TransferLoss] | None = None,
        metrics: Any = None,
        jit_compile: bool | Literal["auto"] = "auto",
        **kwargs: Any,
    ) -> None:
        """Configures the training, as `keras.Model.compile` does.

        Args:
            optimizer: as in Keras.
            loss: as in Keras. `None` trains with the transfer losses alone,
                which then need no labels.
            transfer_losses: list of `kerastl.losses.TransferLoss`.
            metrics: as in Keras.
            jit_compile: as in Keras: `"auto"` uses XLA on accelerators only.
            **kwargs: the other arguments of `keras.Model.compile`.

        Raises:
            ValueError: if something else than transfer losses is given, if
                one needs a source or a tap that the tuner has not, if two
                have the same name, or if the optimizer decays weights that
                L2-SP holds.
        """
        optimizer = keras.optimizers.get(optimizer)
        conflict = checks.weight_decay_conflict(optimizer, self.student)
        if conflict:
            raise ValueError(conflict)
        self._compile(
            transfer_losses,
            optimizer=optimizer,
            loss=loss,
            metrics=metrics,
            jit_compile=jit_compile,
            **kwargs,
        )

    def _compile(self, transfer_losses, loss=None, **kwargs):
        losses = self._state.checked(transfer_losses, self)
        self._state.one_hot = any(term.changes_target for term in losses)
        if self._state.one_hot:
            loss = one_hot_loss(loss)
        super().compile(loss=loss, **kwargs)
        self._state.take(losses, self)
        self.term_layers = [layer for term in losses for layer in term.layers]

    def call(self, inputs: Tensor, training: bool | None = None) -> Any:
        """Predictions; in training with transfer losses, features as well."""
        batch = read_batch(inputs)
        with self._state.shifts():
            if not (training and self._state.losses and self._state.extractor):
                student = self.student
                images = as_inputs(student, batch.images)
                return student(images, training=training)
            extractor = self._state.extractor
            predictions, found = extractor(
                as_inputs(extractor, batch.all_images), training=True
            )
        return sort_outputs(
            batch, predictions, found, self.taps, self.embedding[0]
        )

    def train_step(self, *state_and_data: Any) -> Any:
        terms = self._state.changing
        if terms:
            with self._state.shifts():
                state_and_data = change_images(self, terms, *state_and_data)
        return super().train_step(*state_and_data)

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Tensor:
        outputs = read_outputs(y_pred)
        batch = read_batch(x)
        terms = self._state.losses if training else []
        check_batch(terms, batch)
        if self._state.one_hot:
            y = one_hot(only(y), only(outputs.predictions))
        step = None
        if terms:
            step = self._step(batch, y, outputs, sample_weight)
        for term in terms:
            y = term.change_target(y, step)
        if self._state.one_hot:
            y = keras.tree.pack_sequence_as(outputs.predictions, [y])
        total = self._labels_loss(
            x, y, outputs.predictions, sample_weight, training
        )
        for value in self._state.values(terms, step, batch.images):
            total = total + self._aggregate_additional_loss(value)
        if training:
            total = total + checks.nan_unless_finite(batch.images)
            if batch.unlabelled is not None:
                total = total + checks.nan_unless_finite(batch.unlabelled)
        return total

    def _labels_loss(self, *batch_and_training):
        # Keras refuses a step that has no loss of its own.
        alone = self._compile_loss is None and self._state.losses
        if alone and not self.losses:
            return ops.zeros(())
        return super().compute_loss(*batch_and_training)

    def _step(self, batch, y, student, sample_weight):
        with self._state.shifts():
            source = source_outputs(
                self.source, batch, self.taps, self.embedding[1]
            )
        return transfer_step(batch, y, student, source, sample_weight)

    def compute_metrics(
        self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None
    ) -> dict[str, Any]:
        predictions = read_outputs(y_pred).predictions
        return super().compute_metrics(x, y, predictions, sample_weight)

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        return super().metrics + self._state.metrics

    def get_metrics_result(self) -> dict[str, Any]:
        return self._state.shown(super().get_metrics_result())

    def fit(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        *args: Any,
        **kwargs: Any,
    ) -> keras.callbacks.History:
        """Trains the student, as `keras.Model.fit` does.

        With `batch_norm="reestimate"` the statistics are measured anew on the
        training data at the end, without what `validation_split` holds back;
        metrics of the last epoch are from before.

        Arrays with images that are NaN or infinite are refused. Where the
        data comes in batches, the loss of a batch with such an image is NaN,
        also where the network would turn it into a number. Batches come in
        the order of the data, of which Keras by itself would warn.
        """
        checks.check_finite_images(x)
        signature = inspect.signature(super().fit)
        given = signature.bind(x, y, batch_size, *args, **kwargs).arguments
        if comes_in_batches(x):
            given.setdefault("shuffle", False)
        reestimates = self.batch_norm == "reestimate"
        if reestimates:
            checks.check_reestimation(x)
        history = super().fit(**given)
        if reestimates:
            reestimate_batch_norm(
                self.student,
                training_share(x, given.get("validation_split")),
                given.get("steps_per_epoch"),
                batch_size or 32,
            )
        return history

    def evaluate(self, *args: Any, **kwargs: Any) -> Any:
        with self._state.evaluation():
            return super().evaluate(*args, **kwargs)

    def test_on_batch(self, *args: Any, **kwargs: Any) -> Any:
        with self._state.evaluation():
            return super().test_on_batch(*args, **kwargs)

    def export(self, *args: Any, **kwargs: Any) -> Any:
        """`keras.Model.export` of the student, which is what ships."""
        return self.student.export(*args, **kwargs)

    def get_config(self) -> dict[str, Any]:
        serialize = keras.saving.serialize_keras_object
        return {
            "name": self.name,
            "student": serialize(self.student),
            "source": self.source and serialize(self.source),
            "taps": self.taps or None,
            "batch_norm": self.batch_norm,
            "batch_norm_momentum": self.batch_norm_momentum,
            "embedding": self.embedding,
        }

    @classmethod
    def from_config(
        cls,
        config: dict[str, Any],
        custom_objects: dict[str, Any] | None = None,
    ) -> Self:
        config = dict(config)
        for key in ("student", "source"):
            config[key] = config[key] and (
                keras.saving.deserialize_keras_object(
                    config[key], custom_objects=custom_objects
                )
            )
        return cls(**config)

    def get_compile_config(self) -> dict[str, Any]:
        config = super().get_compile_config()
        if not config:
            return config
        return {
            **config,
            "transfer_losses": [
                keras.saving.serialize_keras_object(term)
                for term in self._state.losses
            ],
        }

    def compile_from_config(self, config: dict[str, Any]) -> None:
        config = keras.saving.deserialize_keras_object(config)
        # Keras does not store which variables an optimizer spares from weight
        # decay. That must not make a file unreadable.
        conflict = checks.weight_decay_conflict(
            config["optimizer"], self.student
        )
        if conflict:
            warnings.warn(conflict, stacklevel=2)
        self._compile(**config)
        self.optimizer.build(self.trainable_variables)
