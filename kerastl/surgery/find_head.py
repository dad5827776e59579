"""Where a network's classifier is, and what it reads."""

from typing import NamedTuple

import keras
from keras import layers

from kerastl.surgery.graph import input_operation
from kerastl.surgery.graph import is_graph
from kerastl.surgery.graph import read_graph

# What may stand between the classifier's weights and the output.
_SHAPING = (layers.Reshape, layers.Flatten, layers.Dropout)
_POOLING = (layers.GlobalAveragePooling2D, layers.GlobalMaxPooling2D)
_PROBABILITIES = ("softmax", "sigmoid")


class Head(NamedTuple):
    """The end of a network.

    Args:
        layer: The classifier, a `Dense` or a 1x1 `Conv2D`; `None` where the
            model ends in features.
        tap: Name of the layer whose output the classifier reads, the dropout
            in front of it left out: the embedding. The last layer where there
            is no classifier.
    """

    layer: keras.layers.Layer | None
    tap: str


def find_head(model) -> Head:
    """Finds the classifier of a network, nested ones included.

    Args:
        model: A functional or built sequential `keras.Model` with one output.

    Returns:
        A `Head`: the classifier's layer and the name of the layer it reads.

    Raises:
        ValueError: If the model is subclassed or has several outputs.

    Example:

    >>> source = keras.applications.MobileNetV2(weights="imagenet")
    >>> kerastl.surgery.find_head(source).tap
    'global_average_pooling2d'
    """
    producers, node, features = classifier_call(model)
    if node is not None and is_graph(node.operation):
        return find_head(node.operation)
    producer = producers.get(id(features))
    if producer is not None and is_graph(producer.operation):
        return Head(node and node.operation, find_head(producer.operation).tap)
    if producer is None:
        return Head(None, input_operation(features).name)
    return Head(node and node.operation, producer.operation.name)


def classifier_call(model):
    """The call of the classifier, and the tensor of features that it reads.

    Returns:
        The model's calls by the id of the tensor that they make, the call of
        the classifier or of the nested model that holds it (`None` without
        one), and the features in front of it, before any dropout.
    """
    graph = read_graph(model)
    flat = keras.tree.flatten(graph.outputs)
    if len(flat) != 1:
        raise ValueError(
            "A head can be found on a model with one output. Cut the model "
            "first: `keras.Model(model.inputs, model.get_layer(...).output)`. "
            f"Received: model {model.name!r} with {len(flat)} outputs"
        )
    producers = {
        id(tensor): node for node in graph.nodes for tensor in node.outputs
    }
    node = _classifier(producers, flat[0])
    features = flat[0]
    if node is not None and not is_graph(node.operation):
        features = node.inputs[0]
    return producers, node, _before_dropout(producers, features)


def _classifier(producers, output):
    """The call of the classifier or nested model that ends in `output`."""
    probabilities = shaped = pooled = False
    tensor = output
    while id(tensor) in producers:
        node = producers[id(tensor)]
        operation = node.operation
        if is_graph(operation):
            # A nested model in the middle, such as Sequential([backbone,
            # GAP]), has its own pooling behind: it is no classifier.
            return None if pooled else node
        if isinstance(operation, layers.Dense):
            return node if probabilities or _is_output(operation) else None
        if isinstance(operation, layers.Conv2D):
            is_head = tuple(operation.kernel_size) == (1, 1) and (
                probabilities
                or (shaped and not pooled and _is_output(operation))
            )
            return node if is_head else None
        if isinstance(operation, layers.Softmax):
            probabilities = True
        elif isinstance(operation, layers.Activation):
            probabilities |= _activation(operation) in _PROBABILITIES
        elif isinstance(operation, _POOLING):
            pooled = True
        elif isinstance(operation, _SHAPING):
            shaped = True
        # Such as the quantizers of `kerastl.export.quantization_aware`.
        elif not getattr(operation, "transparent", False):
            return None
        tensor = node.inputs[0]
    return None


def _before_dropout(producers, tensor):
    """Goes back over the dropout and reshaping in front of a classifier."""
    while id(tensor) in producers and isinstance(
        producers[id(tensor)].operation, layers.Dropout
    ):
        tensor = producers[id(tensor)].inputs[0]
    return tensor


def _is_output(layer):
    return _activation(layer) in (*_PROBABILITIES, "linear")


def _activation(layer):
    return getattr(layer.activation, "__name__", None)
