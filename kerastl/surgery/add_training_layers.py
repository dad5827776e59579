"""Puts layers that only training needs into a network, and takes them out."""

import keras
from keras import layers

from kerastl.layers.gaussian_smoothing_2d import GaussianSmoothing2D
from kerastl.layers.training_layers import DropConnectDense
from kerastl.layers.training_layers import StochNorm
from kerastl.surgery.batch_norm import batch_normalizations
from kerastl.surgery.carry_state import carry_inside
from kerastl.surgery.find_head import find_head
from kerastl.surgery.graph import walk
from kerastl.surgery.rebuild import config_of
from kerastl.surgery.rebuild import rebuild

_CONVOLUTIONS = (layers.Conv2D, layers.DepthwiseConv2D, layers.SeparableConv2D)


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
        return DropConnectDense.from_config({**config_of(layer), **config})

    return rebuild(model, clone=clone, name=name)


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
                **config_of(layer),
                "p": p,
                "seed": None if seed is None else seed + made,
            }
        )

    return rebuild(model, clone=clone, name=name)


def add_curriculum_smoothing(
    model: keras.Model, sigma: float = 1.0, name: str | None = None
) -> keras.Model:
    """Copies a network with a Gaussian behind every 3x3 convolution.

    The filter goes between a convolution and its BatchNormalization, as in
    the published residual networks; shortcuts, whose convolutions are 1x1,
    have none. A depthwise convolution counts as one. A convolution with an
    activation of its own is smoothed behind that (assumed).

    `kerastl.callbacks.CurriculumSmoothing` lowers `sigma` in training, and
    `kerastl.surgery.fold_training_layers` takes the filters out of the
    trained network.

    Args:
        model: A functional or built sequential `keras.Model`; nested models
            are rewritten too.
        sigma: Width of the Gaussians at the start, in pixels.
        name: Name of the new model. Defaults to the name of `model`.

    Returns:
        A functional `keras.Model` that shares nothing with `model`.

    Raises:
        ValueError: If `sigma` is not positive, or the model is subclassed or
            has no 3x3 convolution.

    Example:

    >>> student = kerastl.surgery.add_curriculum_smoothing(source)
    >>> student.compile("sgd", "sparse_categorical_crossentropy")
    >>> curriculum = kerastl.callbacks.CurriculumSmoothing()
    >>> student.fit(images, labels, epochs=20, callbacks=[curriculum])

    Reference:

    - Sinha, Garg and Larochelle, "Curriculum By Smoothing", NeurIPS 2020,
      section 3.
    """
    found = {
        node.operation.name
        for _, node in walk(model)
        if _is_smoothed(node.operation)
    }
    if not found:
        raise ValueError(
            "Curriculum by smoothing filters the maps of 3x3 convolutions, "
            f"and the model has none. Received: model={model.name!r}"
        )
    smoothings = {}

    def call(node, layer, *args, **kwargs):
        outputs = layer(*args, **kwargs)
        if not _is_smoothed(layer):
            return outputs
        if node.path not in smoothings:
            smoothings[node.path] = GaussianSmoothing2D(
                sigma,
                data_format=layer.data_format,
                dtype=layer.dtype_policy,
                name=f"{layer.name}_smoothing",
            )
        return smoothings[node.path](outputs)

    return rebuild(model, call=call, name=name)


def _is_smoothed(layer):
    return isinstance(layer, _CONVOLUTIONS) and tuple(layer.kernel_size) == (
        3,
        3,
    )


def fold_training_layers(
    model: keras.Model, name: str | None = None
) -> keras.Model:
    """Copies a network without the layers that only its training needed.

    `StochNorm` becomes BatchNormalization, `DropConnectDense` becomes
    `Dense`, `StochasticDepth` goes, and so does a `GaussianSmoothing2D` whose
    filter is the identity by now; one that still smooths becomes a fixed
    depthwise convolution. The result computes what `model` computes in
    inference, and loads without kerastl if nothing else of it is in there.

    Args:
        model: A functional or built sequential `keras.Model`; nested models
            are rewritten too.
        name: Name of the new model. Defaults to the name of `model`.

    Returns:
        A functional `keras.Model` that shares nothing with `model`, not
        compiled.

    Raises:
        ValueError: If the model is subclassed.

    Example:

    >>> student = kerastl.surgery.add_stoch_norm(source)
    >>> student.compile("sgd", "sparse_categorical_crossentropy")
    >>> student.fit(images, labels, epochs=20)
    >>> plain = kerastl.surgery.fold_training_layers(student)
    """
    folded = {}

    def call(node, layer, *args, **kwargs):
        operation = node.operation
        if not hasattr(operation, "fold"):
            return layer(*args, **kwargs)
        if id(operation) not in folded:
            plain = folded[id(operation)] = operation.fold()
            if plain is not None:
                carry_inside(operation, plain)
        plain = folded[id(operation)]
        return args[0] if plain is None else plain(*args, **kwargs)

    return rebuild(model, call=call, name=name)
