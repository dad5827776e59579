from keras import ops


def source_features(source, batch):
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
