"""Lets residual branches be left out at random in training."""

import keras

from kerastl.layers.training_layers import StochasticDepth
from kerastl.surgery.graph import walk
from kerastl.surgery.rebuild import rebuild


def add_stochastic_depth(
    model: keras.Model,
    survival: float = 0.5,
    per_image: bool = False,
    seed: int | None = None,
    name: str | None = None,
) -> keras.Model:
    """Copies a residual network whose branches survive at random.

    Each sum of two maps is taken for the end of a residual block when more
    layers with weights lead to one of them alone than to the other: that one
    is the branch, the other the shortcut. The first of `L` blocks survives
    with probability `1 - (1 - survival) / L`, the last with `survival`, on a
    straight line between. Inference stays as it is, see
    `kerastl.layers.StochasticDepth`.

    Args:
        model: A functional or built sequential `keras.Model`; nested models
            are rewritten too.
        survival: Probability that the last branch is kept, in (0, 1].
        per_image: As in `kerastl.layers.StochasticDepth`.
        seed: Seed of the draws; every block draws its own.
        name: Name of the new model. Defaults to the name of `model`.

    Returns:
        A functional `keras.Model` that shares nothing with `model`.

    Raises:
        ValueError: If `survival` is not in (0, 1], or the model is subclassed
            or has no residual block.

    Example:

    >>> source = keras.applications.ResNet50(weights="imagenet")
    >>> student = kerastl.surgery.add_stochastic_depth(source, survival=0.5)

    Reference:

    - Huang et al., "Deep Networks with Stochastic Depth", ECCV 2016,
      section 3.
    """
    branches = {}
    for graph, node in walk(model):
        place = _branch(graph, node)
        if place is not None:
            branches.setdefault(node.key, place)
    if not branches:
        raise ValueError(
            "Stochastic depth leaves out residual branches, and the model "
            "has no sum of a branch and a shortcut. "
            f"Received: model={model.name!r}"
        )
    order = {key: i for i, key in enumerate(branches, start=1)}

    def call(node, layer, *args, **kwargs):
        if node.key in branches:
            flat = keras.tree.flatten((args, kwargs))
            tensors = [
                i
                for i, value in enumerate(flat)
                if isinstance(value, keras.KerasTensor)
            ]
            number = order[node.key]
            place = tensors[branches[node.key]]
            flat[place] = StochasticDepth(
                1 - number / len(order) * (1 - survival),
                per_image=per_image,
                seed=None if seed is None else seed + number,
                dtype=getattr(layer, "dtype_policy", None),
                name=f"{layer.name}_stochastic_depth",
            )(flat[place])
            args, kwargs = keras.tree.pack_sequence_as((args, kwargs), flat)
        return layer(*args, **kwargs)

    return rebuild(model, call=call, name=name)


def _branch(graph, node):
    """Which of the two inputs of a sum is the branch; `None` if neither."""
    is_sum = isinstance(node.operation, keras.layers.Add) or (
        type(node.operation).__name__ == "Add"
    )
    if not is_sum or len(node.inputs) != 2:
        return None
    producers = {
        id(tensor): each for each in graph.nodes for tensor in each.outputs
    }
    behind = [_ancestors(tensor, producers) for tensor in node.inputs]
    lengths = [
        sum(
            bool(getattr(each.operation, "weights", ()))
            for key, each in one.items()
            if key not in other
        )
        for one, other in (behind, reversed(behind))
    ]
    if lengths[0] == lengths[1]:
        return None
    return lengths.index(max(lengths))


def _ancestors(tensor, producers):
    """The calls that `tensor` comes from, by id."""
    found, open_ends = {}, [tensor]
    while open_ends:
        node = producers.get(id(open_ends.pop()))
        if node is not None and id(node) not in found:
            found[id(node)] = node
            open_ends.extend(node.inputs)
    return found
