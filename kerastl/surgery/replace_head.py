"""A new classifier on a trained network."""

import keras
from keras import layers

from kerastl.arguments import checked_count
from kerastl.arguments import checked_probability
from kerastl.arguments import checked_seed
from kerastl.surgery.find_head import find_classifier
from kerastl.surgery.graph import hidden_layers
from kerastl.surgery.graph import read_graph
from kerastl.surgery.rebuild import copy_model


def replace_head(
    model: keras.Model,
    num_classes: int,
    dropout: float = 0.0,
    seed: int | None = None,
    name: str | None = None,
) -> keras.Model:
    """Puts a new classifier on a copy of `model`.

    The old classifier is the last layer with weights, with all that follows
    it: reshaping, dropout, a temperature, a normalization, softmax, whether
    layers or `keras.ops`, see `kerastl.surgery.find_head`. Hidden layers of
    the head (VGG's `fc1` and `fc2`, MobileNetV3's `conv_2`) stay. A model that
    has no classifier, because it ends in a feature map or in pooled features,
    gets one put behind: a feature map is averaged over space first. A nested
    classifier or backbone is found too.

    The new head is one `Dense` layer named `"head"` with softmax, computed in
    float32 whatever the policy of the rest. Where a layer that stays has that
    name already, it is `"head_1"`.

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
        ValueError: if the model is subclassed, has several outputs or
            several classifiers, or no features are found.

    Example:

    >>> source = keras.applications.MobileNetV2(weights="imagenet")
    >>> student = kerastl.replace_head(source, num_classes=10)
    >>> student.output_shape
    (None, 10)
    """
    num_classes = checked_count("num_classes", num_classes, least=2)
    seed = checked_seed("seed", seed)
    dropout = checked_probability("dropout", dropout, below_one=True)
    copy = copy_model(model)
    classifier = find_classifier(copy)
    features = classifier.features
    if len(features.shape) not in (2, 4):
        raise ValueError(
            "The model has no features that a classifier could read: expected "
            "a feature map of rank 4 or a vector of rank 2. Cut the model "
            "behind its backbone: `keras.Model(model.inputs, "
            "model.get_layer(...).output)`. "
            f"Received: model {model.name!r}, features of shape "
            f"{tuple(features.shape)}"
        )
    for node in reversed(classifier.path):
        features = _cut_off(node, features)
    inputs = read_graph(copy).inputs
    taken = _names(keras.Model(inputs, features))
    x = features
    if len(x.shape) == 4:
        x = layers.GlobalAveragePooling2D(name=_free("head_pool", taken))(x)
    if dropout:
        x = layers.Dropout(
            dropout, seed=seed, name=_free("head_dropout", taken)
        )(x)
    outputs = layers.Dense(
        num_classes,
        activation="softmax",
        kernel_initializer=keras.initializers.GlorotUniform(seed=seed),
        dtype="float32",
        name=_free("head", taken),
    )(x)
    return keras.Model(inputs, outputs, name=name or model.name)


def _cut_off(node, features):
    """Calls a nested model again that ends in one of its inner tensors."""
    inner = keras.Model(
        read_graph(node.operation).inputs, features, name=node.operation.name
    )
    return inner(*node.args, **node.kwargs)


def _names(model):
    """The names of all layers and inputs, nested ones included."""
    own = {operation.name for operation in model.operations}
    return own | {layer.name for layer in hidden_layers(model)}


def _free(name, taken):
    """`name`, or the first of `name_1`, `name_2`, ... that is not taken."""
    count = 0
    free = name
    while free in taken:
        count += 1
        free = f"{name}_{count}"
    return free
