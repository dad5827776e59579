"""What `GlobalLevel` may compare: summaries of a feature map.

Each takes float32 features `(batch, ..., channels)`, or channels first when
Keras is set so, and returns a tensor whose first axis is the batch.
"""

import keras
from keras import ops


def _rows(features):
    """Features as (batch, space, channels)."""
    if len(features.shape) == 2:
        return ops.expand_dims(features, 1)
    channels = features.shape[-1]
    if keras.config.image_data_format() == "channels_first":
        channels = features.shape[1]
        features = ops.moveaxis(features, 1, -1)
    return ops.reshape(features, (ops.shape(features)[0], -1, channels))


def _normalized(rows):
    """Rows at unit length; a row of zeros stays zero, with zero gradient."""
    squares = ops.sum(ops.square(rows), axis=-1, keepdims=True)
    return rows * ops.rsqrt(ops.maximum(squares, 1e-12))


def gap(features):
    """Mean over space: (batch, channels)."""
    return ops.mean(_rows(features), axis=1)


def gram(features):
    """Channel products, mean over space: (batch, channels, channels)."""
    rows = _rows(features)
    space = ops.cast(ops.shape(rows)[1], rows.dtype)
    return ops.matmul(ops.transpose(rows, (0, 2, 1)), rows) / space


def attention(features):
    """Energy over channels at each place, at unit length: (batch, space)."""
    return _normalized(ops.sum(ops.square(_rows(features)), axis=-1))


def similarity(features):
    """Inner products between the examples of a batch, rows at unit length."""
    flat = ops.reshape(features, (ops.shape(features)[0], -1))
    return _normalized(ops.matmul(flat, ops.transpose(flat)))


DESCRIPTORS = {
    "gap": gap,
    "gram": gram,
    "attention": attention,
    "similarity": similarity,
}
