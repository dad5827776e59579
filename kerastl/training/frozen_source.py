"""Networks that run beside a student and never change, and what they say."""

import keras
from keras import ops

from kerastl.layers.sum_of_shifts import ShiftedDepthwiseConv2D
from kerastl.surgery.feature_extractor import feature_extractor
from kerastl.surgery.rebuild import rebuild
from kerastl.training.training_batch import NetworkOutputs
from kerastl.training.training_batch import sort_outputs


def frozen_source(source, taps) -> keras.Model:
    """A frozen copy of `source` that returns its features at `taps`."""
    features = feature_extractor(rebuild(source, clone=_fast_under_xla), taps)
    features.trainable = False
    return features


def frozen_copy(model) -> keras.Model:
    """A frozen copy of `model`, as fast under XLA as it can be on a CPU."""
    copy = rebuild(model, clone=_fast_under_xla)
    copy.trainable = False
    return copy


def _fast_under_xla(layer):
    if type(layer) is not keras.layers.DepthwiseConv2D:
        return None
    return ShiftedDepthwiseConv2D.from_config(layer.get_config())


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
        found = source(batch.all_images, training=False)
    else:
        _check_names(source, stored)
        found = {
            name: ops.cast(stored[name], output.dtype)
            for name, output in source.output.items()
        }
        if batch.unlabelled is not None:
            more = source(batch.unlabelled, training=False)
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
