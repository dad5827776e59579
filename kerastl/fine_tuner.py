"""Trains a student beside its frozen source."""

import warnings
from typing import Any
from typing import NamedTuple

import keras
from keras import ops

from kerastl.fine_tuner_checks import check_inputs
from kerastl.fine_tuner_checks import check_losses
from kerastl.fine_tuner_checks import check_taps
from kerastl.fine_tuner_checks import weight_decay_conflict
from kerastl.has_accelerator import has_accelerator
from kerastl.layers.shifted_depthwise_conv_2d import ShiftedDepthwiseConv2D
from kerastl.layers.sum_of_shifts import summing_shifts
from kerastl.losses.transfer_loss import TransferStep
from kerastl.surgery.default_taps import default_taps
from kerastl.surgery.feature_extractor import feature_extractor
from kerastl.surgery.graph import hidden_layers
from kerastl.surgery.rebuild import rebuild
from kerastl.surgery.reestimate_batch_norm import reestimate_batch_norm
from kerastl.surgery.set_batch_norm import set_batch_norm


class StudentOutputs(NamedTuple):
    """What one training pass of the student gives.

    It travels through `call` and `compute_loss` as a value, not as an
    attribute: under a distribution strategy replicas run interleaved.
    """

    predictions: Any
    features: dict


@keras.saving.register_keras_serializable(package="kerastl")
class FineTuner(keras.Model):
    """Trains a student network beside its frozen source.

    A `keras.Model` that adds transfer losses to the training of `student`:
    terms that compare its features with those of the network it came from.
    Everything else is plain Keras: `compile`, `fit`, `evaluate`, `predict`,
    `save`. Features and predictions of the student come from one forward
    pass; the source runs once a training step, and never in `evaluate` or
    `predict`. Every term shows in the progress bar and in `History`, bare,
    without its weight; `loss` is what is minimized, all terms at their
    weights and the regularizers included.

    The tuner keeps its own frozen copy of the source, cut behind the last
    tap. The model given as `source` is neither frozen nor changed, and may
    share layers with the student. The student is used as it is:
    `tuner.student is student`, a plain model to save and export.

    On CPU, XLA (`jit_compile=True`) is slower than the default for networks
    of depthwise convolutions; `"auto"` leaves it out there.

    Args:
        student: the functional or sequential model to train.
        source: the model it came from, or `None` when no transfer loss needs
            one.
        taps: names of the layers to compare, present in both models, at any
            depth. Defaults to the end of each stage, see
            `kerastl.surgery.default_taps`.
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
        student,
        source=None,
        taps=None,
        batch_norm="train",
        batch_norm_momentum=0.9,
        name=None,
        **kwargs,
    ):
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
        self._state = _State()
        if source is not None:
            check_inputs(student, source)
            if not taps:
                taps = default_taps(source, student)
            self.taps = list(taps)
            self.source = _frozen(source, self.taps)
            extractor = feature_extractor(
                student, self.taps, include_output=True
            )
            check_taps(self.taps, extractor.output[1], self.source.output)
            self._state.extractor = extractor
        elif taps:
            raise ValueError(
                "Taps are where the student is compared with its source, so "
                f"they need one. Pass `source=...`. Received: taps={taps}, "
                "source=None"
            )
        set_batch_norm(student, batch_norm, batch_norm_momentum)
        self.built = True

    @property
    def transfer_losses(self):
        """The transfer losses that the tuner was compiled with."""
        return list(self._state.losses)

    def compile(
        self,
        optimizer="rmsprop",
        loss=None,
        transfer_losses=None,
        metrics=None,
        jit_compile="auto",
        **kwargs,
    ):
        """Configures the training, as `keras.Model.compile` does.

        Args:
            optimizer: as in Keras.
            loss: as in Keras.
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
        conflict = weight_decay_conflict(optimizer, self.student)
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

    def _compile(self, transfer_losses, **kwargs):
        losses = list(transfer_losses or [])
        check_losses(losses, self.taps, self.source)
        super().compile(**kwargs)
        self._state.losses = losses
        self._state.trackers = [
            keras.metrics.Mean(name=term.name) for term in losses
        ]
        self._state.shifting = []
        if self.jit_compile and not has_accelerator():
            self._state.shifting = [
                layer
                for model in (self.student, self.source)
                if model is not None
                for layer in hidden_layers(model)
                if hasattr(layer, "shifts")
            ]

    def call(self, inputs, training=None):
        """Predictions; in training with transfer losses, features as well."""
        with summing_shifts(self._state.shifting):
            if training and self._state.losses and self._state.extractor:
                outputs = self._state.extractor(inputs, training=True)
                return StudentOutputs(*outputs)
            return self.student(inputs, training=training)

    def compute_loss(
        self, x=None, y=None, y_pred=None, sample_weight=None, training=True
    ):
        predictions, features = _unwrapped(y_pred)
        total = super().compute_loss(x, y, predictions, sample_weight, training)
        if not training or not self._state.losses:
            return total
        source = {}
        if self.source is not None:
            with summing_shifts(self._state.shifting):
                source = self.source(x, training=False)
            source = {
                tap: ops.stop_gradient(value) for tap, value in source.items()
            }
        step = TransferStep(x, y, predictions, sample_weight, features, source)
        size = ops.shape(keras.tree.flatten(x)[0])[0]
        for term, tracker in zip(
            self._state.losses, self._state.trackers, strict=True
        ):
            value = ops.cast(term.compute(step), "float32")
            tracker.update_state(value, sample_weight=size)
            total = total + self._aggregate_additional_loss(term.weight * value)
        return total

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        predictions, _ = _unwrapped(y_pred)
        return super().compute_metrics(x, y, predictions, sample_weight)

    @property
    def metrics(self):
        return super().metrics + self._state.trackers

    def get_metrics_result(self):
        results = super().get_metrics_result()
        if self._state.evaluating:
            for tracker in self._state.trackers:
                del results[tracker.name]
        return results

    def fit(self, x=None, y=None, batch_size=None, *args, **kwargs):
        """Trains the student, as `keras.Model.fit` does.

        With `batch_norm="reestimate"` the statistics are measured anew on the
        training data at the end; metrics of the last epoch are from before.
        """
        reestimates = self.batch_norm == "reestimate"
        if reestimates and iter(x) is x:
            raise ValueError(
                "BatchNormalization statistics are re-estimated on the "
                "training data after training, and a generator can be read "
                "only once. Pass arrays or a `tf.data.Dataset`, or choose "
                f"another `batch_norm` policy. Received: x={x!r}"
            )
        history = super().fit(x, y, batch_size, *args, **kwargs)
        if reestimates:
            reestimate_batch_norm(
                self.student,
                x,
                steps=kwargs.get("steps_per_epoch"),
                batch_size=batch_size or 32,
            )
        return history

    def evaluate(self, *args, **kwargs):
        with self._state.evaluation():
            return super().evaluate(*args, **kwargs)

    def test_on_batch(self, *args, **kwargs):
        with self._state.evaluation():
            return super().test_on_batch(*args, **kwargs)

    def get_config(self):
        serialize = keras.saving.serialize_keras_object
        return {
            "name": self.name,
            "student": serialize(self.student),
            "source": self.source and serialize(self.source),
            "taps": self.taps or None,
            "batch_norm": self.batch_norm,
            "batch_norm_momentum": self.batch_norm_momentum,
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        config = dict(config)
        for key in ("student", "source"):
            config[key] = config[key] and (
                keras.saving.deserialize_keras_object(
                    config[key], custom_objects=custom_objects
                )
            )
        return cls(**config)

    def get_compile_config(self):
        return {
            **super().get_compile_config(),
            "transfer_losses": [
                keras.saving.serialize_keras_object(term)
                for term in self._state.losses
            ],
        }

    def compile_from_config(self, config):
        config = keras.saving.deserialize_keras_object(config)
        # Keras does not store which variables an optimizer spares from weight
        # decay. That must not make a file unreadable.
        conflict = weight_decay_conflict(config["optimizer"], self.student)
        if conflict:
            warnings.warn(conflict, stacklevel=2)
        self._compile(**config)
        self.optimizer.build(self.trainable_variables)


class _State:
    """What Keras must not track: it would count or save it twice."""

    def __init__(self):
        self.extractor = None
        self.losses = []
        self.trackers = []
        self.shifting = []
        self.evaluating = False

    def evaluation(self):
        return _Evaluation(self)


class _Evaluation:
    def __init__(self, state):
        self._state = state

    def __enter__(self):
        self._state.evaluating = True

    def __exit__(self, *_):
        self._state.evaluating = False


def _unwrapped(y_pred):
    if isinstance(y_pred, StudentOutputs):
        return y_pred
    return StudentOutputs(y_pred, {})


def _frozen(source, taps):
    """A frozen copy of `source` that ends at the last tap."""
    features = feature_extractor(rebuild(source, clone=_fast_under_xla), taps)
    features.trainable = False
    return features


def _fast_under_xla(layer):
    if type(layer) is not keras.layers.DepthwiseConv2D:
        return None
    return ShiftedDepthwiseConv2D.from_config(layer.get_config())
