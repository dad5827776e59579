"""Puts the smoothing of a curriculum into a network."""

import keras
from keras import layers

from kerastl.layers.gaussian_smoothing_2d import GaussianSmoothing2D
from kerastl.surgery.graph import walk
from kerastl.surgery.rebuild import rebuild

_CONVOLUTIONS = (layers.Conv2D, layers.DepthwiseConv2D, layers.SeparableConv2D)


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
