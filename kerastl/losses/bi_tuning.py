from __future__ import annotations

from typing import TYPE_CHECKING
from typing import Any

import keras
from keras import ops

from kerastl.arguments import checked_count
from kerastl.arguments import checked_flag
from kerastl.arguments import checked_number
from kerastl.arguments import checked_seed
from kerastl.data.batches import one_hot
from kerastl.losses.image_views import second_view
from kerastl.losses.weight_average import WeightAverage
from kerastl.surgery.class_outputs import check_classes
from kerastl.surgery.feature_extractor import feature_extractor
from kerastl.surgery.feature_extractor import pool
from kerastl.surgery.find_head import find_head
from kerastl.training.transfer_loss import TransferLoss
from kerastl.training.transfer_loss import batch_mean
from kerastl.types import Tensor

if TYPE_CHECKING:
    from kerastl.fine_tuner import FineTuner
    from kerastl.training.transfer_loss import TransferStep


@keras.saving.register_keras_serializable(package="kerastl")
class BiTuning(TransferLoss):
    """Bi-Tuning: contrasts an example with those of its class and others.

    A key encoder, a copy of the student that follows it with `momentum`, sees
    a second view of every image; its features go into queues, one a class,
    of `queue` examples each. With the student's embedding `h`,
    `z = normalize(project(h))`, `h~ = normalize([h, 1])` and the head's
    prototypes `w~_c = normalize([w_c, b_c])`, the term is `L_z + L_y`, each
    the mean over the batch of

        KL( target || softmax(logits / temperature) )

    For `L_z` the logits are `z . z_key` of the example itself and of all in
    the queues; for `L_y` they are `w~_y . h~` of the example and `w~_y .
    h~_key` of those in the queues. The target is even over the example and
    those of its class. Prototypes and keys have no gradient. As in the authors'
    code the keys of the batch join the queues between the two: `L_z` sees the
    queues without them, `L_y` with them, and so its own key twice.

    The authors start with queues full of random unit vectors, which count as
    examples until they have been replaced. Here the queues start empty and what
    is in them counts: with few images an epoch would replace only a part of
    the noise, which is drawn near as if it were of the class.

    The views are made here: the student sees the batch as it is, the key
    encoder the batch shifted and mirrored anew. A step costs one more forward
    pass of the student. The key encoder's BatchNormalization uses its own
    batch.

    Args:
        weight: Factor of the term in the total loss.
        queue: Examples a class.
        momentum: How slowly the key encoder follows.
        temperature: Divides the logits.
        projection: Units of the projection.
        shift: Largest shift of the second view, as a share of the image.
        flip: Whether the second view may be mirrored. Turn it off where left
            and right mean something.
        seed: Seed of the second view and of the projection, an integer or
            `None`.
        name: Name in the progress bar and in `History`.

    Raises:
        ValueError: If an argument is out of range; at `compile`, if the
            student has no head, or one of numbers or a single output.

    Example:

    ```python
    tuner = kerastl.FineTuner(student)
    tuner.compile(
        optimizer="sgd",
        loss="sparse_categorical_crossentropy",
        transfer_losses=[kerastl.losses.BiTuning()],
    )
    ```

    Reference:
        Zhong et al., "Bi-tuning of Pre-trained Representations", 2020,
        section 4.
    """

    needs_source = False
    needs_embedding = True

    def __init__(
        self,
        weight: float = 1.0,
        queue: int = 40,
        momentum: float = 0.999,
        temperature: float = 0.07,
        projection: int = 128,
        shift: float = 0.125,
        flip: bool = True,
        seed: int | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(weight, name=name)
        self.queue = checked_count("queue", queue)
        self.momentum = checked_number("momentum", momentum, least=0, most=1)
        self.temperature = checked_number("temperature", temperature, above=0)
        self.projection = checked_count("projection", projection)
        self.shift = checked_number("shift", shift, least=0, below=1)
        self.flip = checked_flag("flip", flip)
        self.seed = checked_seed("seed", seed)
        self._layers = []

    @property
    def layers(self) -> list[keras.layers.Layer]:
        return self._layers

    def build(self, tuner: FineTuner) -> None:
        tap = tuner.embedding[0]
        features = feature_extractor(tuner.student, [tap])
        # Not a copy: it runs with the values of the key encoder.
        self._encoder = keras.Model(features.input, pool(features.output[tap]))
        self._head = find_head(tuner.student).layer
        if self._head is None:
            raise ValueError(
                "Bi-Tuning compares features with the weights of the student's "
                "head, and it has none. `kerastl.replace_head` puts one on. "
                f"Received: student={tuner.student.name!r}"
            )
        check_classes(tuner.student, tuner.loss)
        classes = tuner.student.output_shape[-1]
        if classes == 1:
            raise ValueError(
                "Bi-Tuning compares features with one prototype a class, and a "
                "single output has one for both of its classes. End the "
                "student in a softmax of two classes, with "
                "`kerastl.replace_head(student, num_classes=2)`. "
                f"Received: student={tuner.student.name!r} with 1 output"
            )
        units = self._encoder.output_shape[-1]
        self.projector = keras.layers.Dense(
            self.projection,
            kernel_initializer=keras.initializers.GlorotUniform(self.seed),
            dtype="float32",
            name="projector",
        )
        self.projector.build((None, units))
        self.queues = _ClassQueue(
            classes, self.queue, self.projection + units + 1, "queues"
        )
        self.key = WeightAverage(
            self._followed(), self.momentum, name="key_encoder"
        )
        self.key.generator = keras.random.SeedGenerator(self.seed)
        self._layers = [self.projector, self.queues, self.key]

    def compute(self, step: TransferStep) -> Tensor:
        labels = one_hot(step.y, step.predictions)
        embedding = step.student_embedding
        z = ops.normalize(self.projector(embedding))
        extended = _extended(embedding)
        z_key, extended_key = self._keys(step.x)
        prototypes = ops.matmul(labels, self._prototypes())

        rows, filled, own = self.queues.read(labels)
        values = self._contrast(
            z, z_key, rows[:, : self.projection], filled, own
        )
        self.queues.push(ops.concatenate([z_key, extended_key], -1), labels)
        rows, filled, own = self.queues.read(labels)
        values += self._contrast(
            prototypes, extended, rows[:, self.projection :], filled, own
        )
        return batch_mean(values, step.sample_weight)

    def _contrast(self, query, current, keys, filled, own):
        """KL(target || softmax), one number an example."""
        here = ops.sum(query * current, axis=-1, keepdims=True)
        there = ops.matmul(query, ops.transpose(keys))
        logits = ops.concatenate([here, there], axis=-1) / self.temperature
        absent = ops.concatenate([ops.zeros((1,)), 1 - filled]) * 1e9
        positive = ops.concatenate([ops.ones_like(here), own], axis=-1)
        count = ops.sum(positive, axis=-1)
        given = ops.log_softmax(logits - absent)
        mean = ops.sum(positive * given, axis=-1) / count
        return -ops.log(count) - mean

    def _keys(self, images):
        """What the key encoder, after following, says of a second view."""
        *network, kernel, bias = self.key.follow(self._followed())
        view = second_view(images, self.key.generator, self.shift, self.flip)
        embedding, _ = self._encoder.stateless_call(
            network,
            [v.value for v in self._encoder.non_trainable_variables],
            view,
            training=True,
        )
        embedding = ops.cast(embedding, "float32")
        z = ops.normalize(ops.matmul(embedding, kernel) + bias)
        return z, _extended(embedding)

    def _prototypes(self):
        kernel = ops.cast(ops.convert_to_tensor(self._head.kernel), "float32")
        rows = ops.transpose(ops.reshape(kernel, kernel.shape[-2:]))
        bias = ops.zeros_like(rows[:, :1])
        if self._head.bias is not None:
            bias = ops.convert_to_tensor(self._head.bias)[:, None]
        rows = ops.concatenate([rows, ops.cast(bias, "float32")], axis=-1)
        return ops.stop_gradient(ops.normalize(rows))

    def _followed(self):
        """The variables that the key encoder follows."""
        return [
            *self._encoder.trainable_variables,
            *self.projector.trainable_variables,
        ]

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["taps"], config["tap_weights"]
        names = ("queue", "momentum", "temperature", "projection", "shift")
        return {
            **config,
            **{name: getattr(self, name) for name in (*names, "flip", "seed")},
        }


def _extended(embedding):
    ones = ops.ones_like(embedding[:, :1])
    return ops.normalize(ops.concatenate([embedding, ones], axis=-1))


class _ClassQueue(keras.layers.Layer):
    """Keeps the newest rows of every class, in weights.

    With several replicas the rows are those of the first.

    Args:
        classes: Number of classes.
        size: Rows that are kept of a class.
        units: Width of a row.
        name: Name of the layer.
    """

    def __init__(self, classes, size, units, name):
        super().__init__(name=name, dtype="float32")
        self.classes = classes
        self.size = size
        options = {
            "initializer": "zeros",
            "trainable": False,
            "autocast": False,
            "aggregation": "only_first_replica",
        }
        places = classes * size
        self.rows = self.add_weight(
            name="rows", shape=(places, units), **options
        )
        self.filled = self.add_weight(name="filled", shape=(places,), **options)
        self.next = self.add_weight(name="next", shape=(classes,), **options)
        self.built = True

    def read(self, labels):
        """What is stored, for examples of some classes.

        Args:
            labels: One-hot labels `(batch, classes)`.

        Returns:
            The rows `(places, units)`, 1 for the places that are filled
            `(places,)`, and 1 for those of each example's class
            `(batch, places)`.
        """
        filled = ops.convert_to_tensor(self.filled)
        own = ops.repeat(labels, self.size, axis=1) * filled
        return ops.convert_to_tensor(self.rows), filled, own

    def push(self, rows, labels):
        """Stores the rows of a batch.

        Args:
            rows: float32 `(batch, units)`.
            labels: One-hot labels `(batch, classes)`.
        """
        counts = ops.sum(labels, axis=0)
        rank = ops.sum((ops.cumsum(labels, axis=0) - 1) * labels, axis=1)
        # Of more than fit, the last stay: no two rows have one place.
        behind = ops.sum(labels * counts, axis=1) - rank
        fits = ops.cast(behind <= self.size, "float32")
        first = ops.sum(labels * self.next, axis=1)
        place = ops.cast(ops.mod(first + rank, self.size), "int32")
        slots = ops.one_hot(place, self.size, dtype="float32")
        marks = labels[:, :, None] * slots[:, None] * fits[:, None, None]
        marks = ops.reshape(marks, (-1, self.classes * self.size))
        new = ops.sum(marks, axis=0)
        self.rows.assign(
            self.rows * (1 - new)[:, None]
            + ops.matmul(ops.transpose(marks), ops.stop_gradient(rows))
        )
        self.filled.assign(ops.maximum(self.filled, new))
        self.next.assign(ops.mod(self.next + counts, self.size))
