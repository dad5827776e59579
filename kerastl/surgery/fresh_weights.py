"""What a layer's weights would be if it were made anew."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from kerastl.surgery.rebuild import config_of

if TYPE_CHECKING:
    import keras


def fresh_weights(
    layer: keras.layers.Layer, seed: int | Sequence[int] | None
) -> list[np.ndarray]:
    """Draws the initial weights of `layer` again, by its own initializers.

    The layer keeps its weights: assign what is returned where it is wanted.
    Initializers that carry a seed of their own get another one, so that the
    draw differs from the layer's first; the same `seed` gives the same draw.

    Args:
        layer: a built `keras.layers.Layer`.
        seed: non-negative integer, or a list of such.

    Returns:
        Arrays in the order of `layer.weights`.

    Raises:
        ValueError: if the layer is not built, or cannot be made again from
            its config.

    Example:

    ```python
    head = model.get_layer("head")
    head.set_weights(kerastl.surgery.fresh_weights(head, seed=3))
    ```
    """
    if not layer.built:
        raise ValueError(
            "The layer has no weights yet. Call it, or the model that it is "
            f"in, on an input first. Received: layer={layer.name!r}"
        )
    sequence = np.random.SeedSequence(seed)
    config = _reseeded(copy.deepcopy(config_of(layer)), sequence)
    twin = type(layer).from_config(config)
    twin.build_from_config(layer.get_build_config())
    weights = twin.get_weights()
    if [w.shape for w in weights] != [tuple(w.shape) for w in layer.weights]:
        raise ValueError(
            "The layer's config does not make its weights again: expected "
            f"shapes {[tuple(w.shape) for w in layer.weights]}. Name other "
            f"layers. Received: layer={layer.name!r}, made "
            f"{[w.shape for w in weights]}"
        )
    return weights


def _reseeded(config, sequence):
    """Gives every initializer in a layer's config a seed of its own."""
    for name, value in config.items():
        if not isinstance(value, dict):
            continue
        inner = value.get("config")
        if name.endswith("initializer") and isinstance(inner, dict):
            if "seed" in inner:
                (child,) = sequence.spawn(1)
                inner["seed"] = int(child.generate_state(1)[0] >> 1)
            # Some wrap another initializer.
            _reseeded(inner, sequence)
        else:
            _reseeded(value, sequence)
    return config
