"""Puts stochastic normalization into a trained network."""

import keras

from kerastl.layers.training_layers import StochNorm
from kerastl.surgery.rebuild import rebuild
from kerastl.surgery.set_batch_norm import batch_normalizations


def add_stoch_norm(
    model: keras.Model,
    p: float = 0.5,
    seed: int | None = None,
    name: str | None = None,
) -> keras.Model:
    """Copies a network with `StochNorm` in place of BatchNormalization.

    Weights, statistics and layer names stay, and so does what the network
    computes in inference. `kerastl.surgery.fold_training_layers` turns the
    trained network back.

    Args:
        model: A functional or built sequential `keras.Model`; nested models
            are rewritten too.
        p: Probability that a channel is normalized by the batch.
        seed: Seed of the draws; every layer draws its own.
        name: Name of the new model. Defaults to the name of `model`.

    Returns:
        A functional `keras.Model` that shares nothing with `model`.

    Raises:
        ValueError: If `p` is no probability, or the model is subclassed or
            has no BatchNormalization.

    Example:

    >>> source = keras.applications.MobileNetV2(weights="imagenet")
    >>> student = kerastl.surgery.add_stoch_norm(source, p=0.5)

    Reference:

    - Kou et al., "Stochastic Normalization", NeurIPS 2020, section 3.
    """
    StochNorm(p)  # refuses what is out of range
    if not batch_normalizations(model):
        raise ValueError(
            "StochNorm takes the place of BatchNormalization, and the model "
            f"has none. Received: model={model.name!r}"
        )
    made = 0

    def clone(layer):
        nonlocal made
        if type(layer) is not keras.layers.BatchNormalization:
            return None
        made += 1
        return StochNorm.from_config(
            {
                **layer.get_config(),
                "p": p,
                "seed": None if seed is None else seed + made,
            }
        )

    return rebuild(model, clone=clone, name=name)
