"""Puts DropConnect into the classifier of a network."""

import keras

from kerastl.layers.training_layers import DropConnectDense
from kerastl.surgery.find_head import find_head
from kerastl.surgery.rebuild import rebuild


def add_drop_connect(
    model: keras.Model,
    rate: float = 0.5,
    per_image: bool = True,
    seed: int | None = None,
    name: str | None = None,
) -> keras.Model:
    """Copies a network with `DropConnectDense` as its classifier.

    Weights and layer names stay, and so does what the network computes in
    inference. `kerastl.surgery.fold_training_layers` turns the trained
    network back.

    Args:
        model: A functional or built sequential `keras.Model` that ends in a
            `Dense` classifier.
        rate: Probability that a weight of the classifier is dropped.
        per_image: As in `kerastl.layers.DropConnectDense`.
        seed: Seed of the masks.
        name: Name of the new model. Defaults to the name of `model`.

    Returns:
        A functional `keras.Model` that shares nothing with `model`.

    Raises:
        ValueError: If `rate` is not in [0, 1), or the model has no `Dense`
            classifier.

    Example:

    >>> student = kerastl.replace_head(source, num_classes=10)
    >>> student = kerastl.surgery.add_drop_connect(student, rate=0.5)

    Reference:

    - Wan et al., "Regularization of Neural Networks using DropConnect",
      ICML 2013, section 3.
    """
    DropConnectDense(1, rate=rate)  # refuses what is out of range
    head = find_head(model).layer
    if type(head) is not keras.layers.Dense:
        raise ValueError(
            "DropConnect goes into a `Dense` classifier, and the model does "
            "not end in one. Give it one with `kerastl.replace_head`. "
            f"Received: model={model.name!r}, classifier={head!r}"
        )

    def clone(layer):
        if layer is not head:
            return None
        config = {"rate": rate, "per_image": per_image, "seed": seed}
        return DropConnectDense.from_config({**layer.get_config(), **config})

    return rebuild(model, clone=clone, name=name)
