"""A model that also returns what its inner layers say."""

import keras

from kerastl.arguments import nearest_hint
from kerastl.surgery.graph import is_graph
from kerastl.surgery.graph import read_graph
from kerastl.surgery.graph import walk


def feature_extractor(model, taps, include_output=False) -> keras.Model:
    """Builds a model that returns the features at `taps` in one pass.

    The result shares its layers with `model`; nothing is copied. A tap inside
    a nested model, at any depth, is reached without a second pass.

    Args:
        model: a functional or built sequential `keras.Model`.
        taps: names of the layers (or `keras.ops` operations) whose output is
            wanted.
        include_output: whether to return the output of `model` as well.

    Returns:
        A functional `keras.Model` that returns a dict from tap name to
        features, or the pair `(output of model, dict)`.

    Raises:
        ValueError: if a name is unknown, or is the name of several calls.

    Example:

    >>> model = keras.applications.MobileNetV2(alpha=0.35, weights=None)
    >>> features = kerastl.surgery.feature_extractor(model, ["block_2_add"])
    >>> features(images)["block_2_add"].shape
    """
    taps = list(taps)
    _check_names(model, taps)
    inputs, outputs, found = _tensors(model, set(taps))
    if isinstance(outputs, (list, tuple)) and len(outputs) == 1:
        # A model returns its only output without the list around it.
        outputs = outputs[0]
    features = {tap: found[tap] for tap in taps}
    return keras.Model(
        inputs,
        (outputs, features) if include_output else features,
        name=f"{model.name}_features",
    )


def _tensors(model, taps):
    """Inputs, outputs and the tensors at `taps`, in one graph."""
    graph = read_graph(model)
    nested = {
        id(node.operation): names
        for node in graph.nodes
        if is_graph(node.operation) and (names := _names(node.operation) & taps)
    }
    if not nested:
        found = {
            node.operation.name: node.outputs[0]
            for node in graph.nodes
            if node.operation.name in taps
        }
        return graph.inputs, graph.outputs, found

    # A nested model shows only its output, so the outer graph is called again
    # with a nested model that shows the taps too.
    found = {}

    def call(operation, *args, **kwargs):
        if id(operation) not in nested:
            outputs = operation(*args, **kwargs)
        else:
            inner_inputs, inner_outputs, inner = _tensors(
                operation, nested[id(operation)]
            )
            tapped = keras.Model(
                inner_inputs, (inner_outputs, inner), name=operation.name
            )
            outputs, inner = tapped(*args, **kwargs)
            found.update(inner)
        if operation.name in taps:
            found[operation.name] = outputs
        return outputs

    replayed = keras.models.clone_model(
        keras.Model(graph.inputs, graph.outputs),
        clone_function=lambda operation: operation,
        call_function=call,
    )
    return replayed.input, replayed.output, found


def _names(model):
    names = {node.operation.name for _, node in walk(model)}
    return names | {node.operation.name for node in read_graph(model).nodes}


def _check_names(model, taps):
    calls = [node.operation.name for _, node in walk(model)]
    calls += [
        node.operation.name
        for node in read_graph(model).nodes
        if is_graph(node.operation)
    ]
    for tap in taps:
        if tap not in calls:
            hint = nearest_hint(tap, calls)
            raise ValueError(
                f"The model {model.name!r} has no layer of that name.{hint} "
                "`model.summary(expand_nested=True)` lists them. "
                f"Received: tap={tap!r}"
            )
        if calls.count(tap) > 1:
            raise ValueError(
                f"The model {model.name!r} calls {calls.count(tap)} layers "
                "of that name, or one layer several times, so the tap is "
                "ambiguous. Take a layer that is called once, or rename one. "
                f"Received: tap={tap!r}"
            )
