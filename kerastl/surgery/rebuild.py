"""Rebuilds a functional model, with changes."""

import types
from collections.abc import Callable
from typing import Any

import keras

from kerastl.surgery import graph as graphs
from kerastl.surgery.carry_state import RemakeError
from kerastl.surgery.carry_state import carry_state
from kerastl.types import Tensor


def rebuild(
    model: keras.Model,
    clone: Callable[[keras.layers.Layer], keras.layers.Layer | None]
    | None = None,
    call: Callable[..., Any] | None = None,
    name: str | None = None,
    clone_input: Callable[[Tensor], Tensor] | None = None,
) -> keras.Model:
    """Rebuilds a functional model layer by layer, with changes on the way.

    Every layer and `keras.ops` operation is cloned from its config and called
    again where the original was called; nested functional and sequential
    models are rebuilt in the same way and stay nested. Then all state is
    copied: weights, BatchNormalization statistics, seed generators, and what
    layers keep outside of variables, see `kerastl.surgery.carry_state`. The
    result shares nothing with `model`, keeps its layer names, its input and
    output structure and its dtype policies, is not compiled, and every layer
    in it is trainable, even where `model` was frozen.

    Args:
        model: a functional or built sequential `keras.Model`.
        clone: `clone(layer)` returns the layer that takes the place of
            `layer`, with the same variables and perhaps its own after them,
            or `None` for a plain clone. It is not asked for nested models.
        call: `call(node, layer, *args, **kwargs)` returns the outputs of one
            call; `layer` is the clone and `node` the `kerastl.surgery.graph`
            `Node` that is repeated. Insert layers here, before or after
            `layer(*args, **kwargs)`, or leave `layer` out. Defaults to the
            plain call.
        name: name of the new model. Defaults to the name of `model`.
        clone_input: `clone_input(tensor)` returns the `keras.Input` that takes
            the place of one, also of those of nested models. Defaults to one
            of the same shape, dtype and name.

    Returns:
        A functional `keras.Model`.

    Raises:
        ValueError: if the model is subclassed, a layer cannot be made from its
            config, or a layer from `clone` has other variables.

    Example:

    >>> model = keras.Sequential(
    ...     [keras.Input((8, 8, 3)), keras.layers.Conv2D(4, 3, name="conv")]
    ... )
    >>> def call(node, layer, *args, **kwargs):
    ...     outputs = layer(*args, **kwargs)
    ...     if node.path == "conv":
    ...         outputs = keras.layers.ReLU(name="relu")(outputs)
    ...     return outputs
    >>> [layer.name for layer in rebuild(model, call=call).layers][1:]
    ['conv', 'relu']
    """
    rebuilder = _Rebuilder(
        clone or _keep, call or _plain_call, clone_input or _clone_input
    )
    rebuilt = rebuilder.rebuild(model, "", name)
    rebuilder.carry_state()
    return rebuilt


def _keep(layer):
    return None


def _plain_call(node, layer, *args, **kwargs):
    return layer(*args, **kwargs)


class _Rebuilder:
    def __init__(self, clone, call, clone_input):
        self._clone = clone
        self._call = call
        self._clone_input = clone_input
        # id of an original -> (original, clone); the original is held so that
        # its id stays taken.
        self._clones = {}

    def rebuild(self, model, path, name):
        graph = graphs.read_graph(model, path)
        tensors = {}
        inputs = keras.tree.map_structure(self._clone_input, graph.inputs)
        for old, new in zip(
            keras.tree.flatten(graph.inputs),
            keras.tree.flatten(inputs),
            strict=True,
        ):
            tensors[id(old)] = new

        def new_tensor(value):
            return tensors.get(id(value), value)

        for node in graph.nodes:
            args, kwargs = keras.tree.map_structure(
                new_tensor, (node.args, node.kwargs)
            )
            layer = self._clone_operation(node)
            outputs = self._call(node, layer, *args, **kwargs)
            for old, new in zip(
                node.outputs, keras.tree.flatten(outputs), strict=True
            ):
                tensors[id(old)] = new
        outputs = keras.tree.map_structure(new_tensor, graph.outputs)
        return keras.Model(inputs, outputs, name=name or model.name)

    def _clone_operation(self, node):
        operation = node.operation
        if id(operation) not in self._clones:
            if graphs.is_graph(operation):
                clone = self.rebuild(operation, node.path, None)
            else:
                clone = self._clone(operation) or _from_config(node)
                # `trainable` travels in configs: the copy of a frozen source
                # would be frozen too. Variables take it over when they are
                # made, so it is set before the first call.
                if isinstance(clone, keras.Layer):
                    clone.trainable = True
            self._clones[id(operation)] = (operation, clone)
        return self._clones[id(operation)][1]

    def carry_state(self):
        for original, clone in self._clones.values():
            if graphs.is_graph(original) or not graphs.was_called(clone):
                continue
            carry_state(original, clone)


def _clone_input(tensor):
    layer = graphs.input_operation(tensor)
    return type(layer).from_config(layer.get_config()).output


def _from_config(node):
    operation = node.operation
    try:
        clone = remake(operation)
    except (NotImplementedError, TypeError, ValueError) as error:
        raise RemakeError(
            operation,
            "A layer could not be made again from its config, so the model "
            "cannot be rebuilt. Give its class a complete `get_config()` (and "
            "`from_config()`), or build a subclassed block as a functional "
            f"model. Received: layer={node.path} (of type "
            f"{type(operation).__name__}), which said: {_said(error)}",
        ) from error
    # The config of a `keras.ops` operation may leave the name out, and names
    # are what saved files and users find a node by.
    clone.name = operation.name
    return clone


def _said(error):
    """What Keras says behind the config, which may be pages of code."""
    return str(error).rpartition("Exception encountered:")[2].strip()[:300]


def copy_model(model: keras.Model, name: str | None = None) -> keras.Model:
    """Copies a functional model: same layers, same weights, nothing shared.

    `keras.models.clone_model` starts from fresh weights and copies `trainable`
    through the configs, so that the clone of a frozen model is frozen. Here
    weights, statistics and seeds are carried over, and every layer of the copy
    is trainable.

    Args:
        model: a functional or built sequential `keras.Model`.
        name: name of the copy. Defaults to the name of `model`.

    Returns:
        A functional `keras.Model`, not compiled.

    Raises:
        ValueError: if the model is subclassed or a layer cannot be made again
            from its config.

    Example:

    >>> source = keras.applications.MobileNetV2(alpha=0.35, weights=None)
    >>> source.trainable = False
    >>> student = kerastl.surgery.copy_model(source, name="student")
    >>> len(student.trainable_variables) == len(student.weights)
    False
    >>> len(student.trainable_variables) > 0
    True
    """
    return rebuild(model, name=name)


def remake(operation, config=None):
    """Makes a layer or operation anew, without its state.

    The function of a `keras.layers.Lambda` is at hand and used again. Keras
    would make it from its code, which it refuses to do for good reasons where
    that comes from a file.

    Args:
        operation: a `keras.Layer` or `keras.Operation`.
        config: the config to make it from. Defaults to its own.
    """
    if type(operation) is keras.layers.Lambda:
        dtype = operation.dtype_policy if config is None else config["dtype"]
        return keras.layers.Lambda(
            operation.function,
            operation._output_shape,
            operation.mask,
            operation.arguments,
            name=operation.name,
            dtype=keras.dtype_policies.get(dtype),
        )
    config = config_of(operation) if config is None else config
    return type(operation).from_config(config)


def config_of(operation) -> dict:
    """The config of a layer, to make another from it in this process.

    A function that is no name of Keras's and was not registered, such as a
    lambda as `activation`, is at hand, as that of a `keras.layers.Lambda` is,
    and stands in the config itself.

    Args:
        operation: a `keras.Layer` or `keras.Operation`.
    """
    config = operation.get_config()
    own = {name: getattr(operation, name, None) for name in config}
    return config | {
        name: value
        for name, value in own.items()
        if isinstance(value, types.FunctionType)
        and not value.__module__.startswith("keras.")
        and keras.saving.get_registered_name(value) == value.__name__
    }
