"""What the head of a network reads."""

import keras

from kerastl.surgery.feature_extractor import feature_extractor
from kerastl.surgery.find_head import find_head


def embed(model: keras.Model) -> keras.Model:
    """The model up to what its head reads, as `(batch, units)`.

    A feature map is averaged over space. Shares its layers with `model`.

    Args:
        model: A functional or built sequential `keras.Model`, with or without
            a head.

    Example:

    >>> embeddings = kerastl.surgery.embed(source).predict(images)
    """
    tap = find_head(model).tap
    features = feature_extractor(model, [tap])
    return keras.Model(features.input, pool(features.output[tap]))


def pool(features):
    """Features of a graph as `(batch, units)`, averaged over space."""
    if len(features.shape) == 4:
        features = keras.layers.GlobalAveragePooling2D()(features)
    return features
