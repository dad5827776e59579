"""A new classifier on a trained network."""

import keras
from keras import layers

from kerastl.surgery.copy_model import copy_model
from kerastl.surgery.find_head import classifier_call
from kerastl.surgery.graph import is_graph
from kerastl.surgery.graph import read_graph


def replace_head(
    model, num_classes, dropout=0.0, seed=None, name=None
) -> keras.Model:
    """Puts a new classifier on a copy of `model`.

    The old classifier is the last layer with weights, a `Dense` or a 1x1
    convolution, with the reshaping, dropout and softmax around it; hidden
    layers of the head (VGG's `fc1` and `fc2`, MobileNetV3's `conv_2`) stay.
    A model that has no classifier, because it ends in a feature map or in
    pooled features, gets one put behind: a feature map is averaged over space
    first. A nested classifier or backbone is found too.

    The new head is one `Dense` layer named `"head"` with softmax, computed in
    float32 whatever the policy of the rest.

    Args:
        model: a functional or built sequential `keras.Model` with one output.
        num_classes: number of classes, at least 2.
        dropout: rate of the dropout in front of the new head. It takes the
            place of the old head's dropout.
        seed: seed of the new weights and of the dropout; `None` takes
            Keras's global one.
        name: name of the new model. Defaults to the name of `model`.

    Returns:
        A functional `keras.Model`: an independent copy, with nothing frozen.

    Raises:
        ValueError: if the model is subclassed or no features are found.

    Example:

    >>> source = keras.applications.MobileNetV2(weights="imagenet")
    >>> student = kerastl.replace_head(source, num_classes=10)
    >>> student.output_shape
    (None, 10)
    """
    if not isinstance(num_classes, int) or num_classes < 2:
        raise ValueError(
            "A classifier needs at least 2 classes. "
            f"Received: num_classes={num_classes!r}"
        )
    copy = copy_model(model)
    graph = read_graph(copy)
    x = _features(copy)
    if len(x.shape) == 4:
        x = layers.GlobalAveragePooling2D(name="head_pool")(x)
    if dropout:
        x = layers.Dropout(dropout, seed=seed, name="head_dropout")(x)
    outputs = layers.Dense(
        num_classes,
        activation="softmax",
        kernel_initializer=keras.initializers.GlorotUniform(seed=seed),
        dtype="float32",
        name="head",
    )(x)
    return keras.Model(graph.inputs, outputs, name=name or model.name)


def _features(model):
    """The tensor of `model` that the new classifier reads."""
    _, node, features = classifier_call(model)
    if node is not None and is_graph(node.operation):
        # The classifier, if there is one, is inside the nested model.
        inner = read_graph(node.operation)
        features = keras.Model(
            inner.inputs,
            _features(node.operation),
            name=node.operation.name,
        )(*node.args, **node.kwargs)
    if len(features.shape) not in (2, 4):
        raise ValueError(
            "The model has no features that a classifier could read: expected "
            "a feature map of rank 4 or a vector of rank 2. Cut the model "
            "behind its backbone: `keras.Model(model.inputs, "
            "model.get_layer(...).output)`. "
            f"Received: model {model.name!r}, features of shape "
            f"{tuple(features.shape)}"
        )
    return features
