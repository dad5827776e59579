"""What goes into a training step beside images, and what comes out."""

from typing import Any
from typing import NamedTuple

import keras
from keras import ops

from kerastl.data.batches import as_inputs
from kerastl.training.transfer_loss import TransferStep


class TrainingBatch(NamedTuple):
    """The inputs of one batch, by what they are for.

    Args:
        images: The labelled images.
        unlabelled: Images without labels, or `None`.
        index: Position of each labelled image in the training set, or `None`.
        source_features: Dict from layer name to what that layer of the source
            gives for the labelled images, or `None` where nothing is stored.
        unchanged: The unlabelled images as they came, where a term has put
            others in their place; else `None`.
    """

    images: Any
    unlabelled: Any = None
    index: Any = None
    source_features: Any = None
    unchanged: Any = None

    @property
    def all_images(self):
        """Labelled and unlabelled images, in this order."""
        if self.unlabelled is None:
            return self.images
        unlabelled = [self.unlabelled]
        return keras.tree.map_structure(
            lambda images: ops.concatenate([images, *unlabelled]), self.images
        )

    def split(self, values):
        """Parts `values` of all images in labelled and unlabelled ones."""
        count = ops.shape(keras.tree.flatten(self.images)[0])[0]
        return (
            keras.tree.map_structure(lambda value: value[:count], values),
            keras.tree.map_structure(lambda value: value[count:], values),
        )


def read_batch(inputs) -> TrainingBatch:
    """Reads images alone, or a dict of the fields of `TrainingBatch`."""
    if isinstance(inputs, dict) and "images" in inputs:
        return TrainingBatch(**inputs)
    return TrainingBatch(inputs)


def only(structure):
    """The one tensor in a dict or list of one; anything else as it is.

    Networks may hold their input and output in such, labels then too, and
    losses are of tensors.
    """
    flat = keras.tree.flatten(structure)
    return flat[0] if len(flat) == 1 else structure


class NetworkOutputs(NamedTuple):
    """What one pass of a network gives for the images of a batch.

    It travels through `FineTuner.call` and `compute_loss` as a value, not as
    an attribute: under a distribution strategy replicas run interleaved.

    Args:
        predictions: The network's output; `None` of a source.
        features: Dict from tap name to features.
        embedding: What the head reads, averaged over space; `None` where the
            network has no such layer.
        unlabelled: The same of the batch's unlabelled images, or `None`.
    """

    predictions: Any
    features: dict
    embedding: Any = None
    unlabelled: Any = None


def read_outputs(y_pred) -> NetworkOutputs:
    """Reads a `NetworkOutputs`, or predictions alone."""
    if isinstance(y_pred, NetworkOutputs):
        return y_pred
    return NetworkOutputs(y_pred, {})


def sort_outputs(
    batch, predictions, found, taps, embedding_tap
) -> NetworkOutputs:
    """Sorts a pass over all images of `batch` by what it is for.

    Args:
        batch: A `TrainingBatch`.
        predictions: The network's output for all images, or `None`.
        found: Dict from layer name to its output for all images.
        taps: The layer names that losses compare.
        embedding_tap: The layer name that the head reads, or `None`.
    """
    features = {tap: found[tap] for tap in taps}
    embedding = None
    if embedding_tap is not None:
        embedding = ops.cast(found[embedding_tap], "float32")
        if len(embedding.shape) == 4:
            axes = (1, 2)
            if keras.config.image_data_format() == "channels_first":
                axes = (2, 3)
            embedding = ops.mean(embedding, axis=axes)
    if batch.unlabelled is None:
        return NetworkOutputs(predictions, features, embedding)
    labelled, unlabelled = zip(
        *(
            (None, None) if value is None else batch.split(value)
            for value in (predictions, embedding, *features.values())
        ),
        strict=True,
    )
    rest = NetworkOutputs(
        unlabelled[0],
        dict(zip(features, unlabelled[2:], strict=True)),
        unlabelled[1],
    )
    return NetworkOutputs(
        labelled[0],
        dict(zip(features, labelled[2:], strict=True)),
        labelled[1],
        rest,
    )


def with_embedding(taps, embedding_tap):
    """The layer names to read from a network, each once."""
    names = dict.fromkeys([*taps, embedding_tap])
    return [name for name in names if name is not None]


def transfer_step(batch, y, student, source, sample_weight) -> TransferStep:
    """Puts together what transfer losses see.

    Args:
        batch: A `TrainingBatch`.
        y: The labels.
        student: `NetworkOutputs` of the student.
        source: `NetworkOutputs` of the source.
        sample_weight: The weights of the examples, or `None`.
    """
    unlabelled = None
    if batch.unlabelled is not None:
        unlabelled = _step(
            batch.unlabelled,
            student.unlabelled,
            source.unlabelled or NetworkOutputs(None, {}),
            unchanged=batch.unchanged,
        )
    return _step(
        batch.images,
        student,
        source,
        y=y,
        sample_weight=sample_weight,
        index=batch.index,
        unlabelled=unlabelled,
    )


def _step(x, student, source, y=None, sample_weight=None, **rest):
    return TransferStep(
        x=only(x),
        y=only(y),
        predictions=only(student.predictions),
        sample_weight=only(sample_weight),
        student=student.features,
        source=source.features,
        student_embedding=student.embedding,
        source_embedding=source.embedding,
        **rest,
    )


def source_outputs(source, batch, taps, embedding_tap) -> NetworkOutputs:
    """What a source says of a batch; nothing where there is none.

    Args:
        source: What `frozen_source` makes, or `None`.
        batch: A `TrainingBatch`.
        taps: The layer names that losses compare.
        embedding_tap: The layer name that the head reads, or `None`.
    """
    if source is None:
        return NetworkOutputs(None, {})
    found = _source_features(source, batch)
    return sort_outputs(batch, None, found, taps, embedding_tap)


def _source_features(source, batch):
    """What the source's layers give for the images of a batch.

    The source runs on the images whose features are not stored: on all, or
    on the unlabelled ones.

    Args:
        source: What `frozen_source` makes.
        batch: A `TrainingBatch`.

    Returns:
        Dict from layer name to features of all images, without gradient.

    Raises:
        ValueError: If features are stored, but not all that are read.
    """
    stored = batch.source_features
    if stored is None:
        images = as_inputs(source, batch.all_images)
        found = source(images, training=False)
    else:
        _check_names(source, stored)
        found = {
            name: ops.cast(stored[name], output.dtype)
            for name, output in source.output.items()
        }
        if batch.unlabelled is not None:
            images = as_inputs(source, batch.unlabelled)
            more = source(images, training=False)
            found = {
                name: ops.concatenate([found[name], more[name]])
                for name in found
            }
    return {name: ops.stop_gradient(found[name]) for name in found}


def _check_names(source, stored):
    missing = sorted(set(source.output) - set(stored))
    if missing:
        raise ValueError(
            "The stored features are of other layers of the source than the "
            "tuner reads. Store them anew with "
            "`kerastl.store_source_features(tuner, ...)` of this tuner. "
            f"Received: stored={sorted(stored)}, missing={missing}"
        )
