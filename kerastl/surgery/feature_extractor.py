"""Models that return what layers say, or what a head reads, frozen or not."""

from collections.abc import Iterable

import keras

from kerastl.arguments import nearest_hint
from kerastl.layers.sum_of_shifts import ShiftedDepthwiseConv2D
from kerastl.surgery.find_head import find_head
from kerastl.surgery.graph import is_graph
from kerastl.surgery.graph import read_graph
from kerastl.surgery.graph import walk
from kerastl.surgery.rebuild import config_of
from kerastl.surgery.rebuild import rebuild


def feature_extractor(
    model: keras.Model, taps: Iterable[str], include_output: bool = False
) -> keras.Model:
    """Builds a model that returns the features at `taps` in one pass.

    The result shares its layers with `model`; nothing is copied. A tap inside
    a nested model, at any depth, is reached without a second pass.

    Args:
        model: a functional or built sequential `keras.Model`.
        taps: names of the layers (or `keras.ops` operations) whose output is
            wanted. Where nested models have layers of one name, the path
            tells which is meant: `"rgb/block_2_add"`.
        include_output: whether to return the output of `model` as well.

    Returns:
        A functional `keras.Model` that returns a dict from tap name to
        features, or the pair `(output of model, dict)`.

    Raises:
        ValueError: if a name or path is unknown, or is that of several
            calls.

    Example:

    >>> model = keras.applications.MobileNetV2(alpha=0.35, weights=None)
    >>> features = kerastl.surgery.feature_extractor(model, ["block_2_add"])
    >>> features(images)["block_2_add"].shape
    """
    paths = _paths(model, list(taps))
    inputs, outputs, found = _tensors(model, "", set(paths.values()))
    if isinstance(outputs, (list, tuple)) and len(outputs) == 1:
        # A model returns its only output without the list around it.
        outputs = outputs[0]
    features = {tap: found[path] for tap, path in paths.items()}
    return keras.Model(
        inputs,
        (outputs, features) if include_output else features,
        name=f"{model.name}_features",
    )


def _tensors(model, path, taps):
    """Inputs, outputs and the tensors at the paths `taps`, in one graph."""
    graph = read_graph(model, path)
    nested = {
        id(node.operation): inside
        for node in graph.nodes
        if is_graph(node.operation)
        and (inside := {t for t in taps if t.startswith(f"{node.path}/")})
    }
    paths = {id(node.operation): node.path for node in graph.nodes}
    if not nested:
        found = {
            node.path: node.outputs[0]
            for node in graph.nodes
            if node.path in taps
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
                operation, paths[id(operation)], nested[id(operation)]
            )
            tapped = keras.Model(
                inner_inputs, (inner_outputs, inner), name=operation.name
            )
            outputs, inner = tapped(*args, **kwargs)
            found.update(inner)
        if paths.get(id(operation)) in taps:
            found[paths[id(operation)]] = outputs
        return outputs

    replayed = keras.models.clone_model(
        keras.Model(graph.inputs, graph.outputs),
        clone_function=lambda operation: operation,
        call_function=call,
    )
    return replayed.input, replayed.output, found


def _paths(model, taps):
    """The path of each tap, which is a name or a path."""
    calls = [node for _, node in walk(model)]
    calls += _nested(model)
    paths = {}
    for tap in taps:
        by_path = "/" in tap
        found = [
            node.path
            for node in calls
            if tap == (node.path if by_path else node.operation.name)
        ]
        if not found:
            names = [node.operation.name for node in calls]
            hint = nearest_hint(
                tap, [n.path for n in calls] if by_path else names
            )
            raise ValueError(
                f"The model {model.name!r} has no layer of that name.{hint} "
                "`model.summary(expand_nested=True)` lists them. "
                f"Received: tap={tap!r}"
            )
        if len(found) > 1:
            several = sorted(set(found))
            raise ValueError(
                f"The model {model.name!r} calls {len(found)} layers "
                "of that name, or one layer several times, so the tap is "
                "ambiguous. Take a layer that is called once, rename one, or "
                f"give a path of {several}. Received: tap={tap!r}"
            )
        paths[tap] = found[0]
    return paths


def _nested(model, path=""):
    """The calls of nested models."""
    for node in read_graph(model, path).nodes:
        if is_graph(node.operation):
            yield node
            yield from _nested(node.operation, node.path)


def embed(model: keras.Model) -> keras.Model:
    """The model up to what its head reads, as `(batch, units)`.

    A feature map is averaged over space. Shares its layers with `model`.

    Args:
        model: A functional or built sequential `keras.Model`, with or without
            a head.

    Example:

    >>> embeddings = kerastl.surgery.embed(source).predict(images)
    """
    tap = find_head(model).tap
    features = feature_extractor(model, [tap])
    return keras.Model(features.input, pool(features.output[tap]))


def pool(features):
    """Features of a graph as `(batch, units)`, averaged over space."""
    if len(features.shape) == 4:
        features = keras.layers.GlobalAveragePooling2D()(features)
    return features


def frozen_source(source, taps) -> keras.Model:
    """A frozen copy of `source` that returns its features at `taps`."""
    features = feature_extractor(rebuild(source, clone=_fast_under_xla), taps)
    features.trainable = False
    return features


def frozen_copy(model) -> keras.Model:
    """A frozen copy of `model`, as fast under XLA as it can be on a CPU."""
    copy = rebuild(model, clone=_fast_under_xla)
    copy.trainable = False
    return copy


def _fast_under_xla(layer):
    if type(layer) is not keras.layers.DepthwiseConv2D:
        return None
    return ShiftedDepthwiseConv2D.from_config(config_of(layer))
