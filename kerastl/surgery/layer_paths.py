"""Names of the layers and weights of a model that no two of them share.

Layers in two nested models may have equal names, and their weights equal
paths: two backbones of one architecture do. So what is looked up in a model,
or carried from one model to another, is looked up by these.
"""

import itertools
from collections import Counter

import keras

from kerastl.surgery import graph as graphs
from kerastl.surgery.graph import inner_layers


def layer_paths(model) -> dict:
    """The path of every layer in `model`, by the layer's id.

    The path is the layer's name, with those of the models and layers that
    hold it in front (`"backbone/Conv1"`). A layer that is in several places
    has the path of the first.
    """
    return {id(layer): path for path, layer in _layers(model)}


def weight_paths(model) -> dict:
    """A path for every variable of `model` that no other has, by its id.

    That is its own `path`, and where several have the same, the path of its
    layer in `model` with its name.
    """
    inside = {}
    for path, layer in _layers(model):
        # Those inside a layer come after it, and have the last word.
        for variable in layer.variables:
            inside[id(variable)] = f"{path}/{variable.name}"
    counts = Counter(variable.path for variable in model.variables)
    paths, taken = {}, set()
    for variable in model.variables:
        path = variable.path
        if counts[path] > 1:
            path = inside.get(id(variable), path)
        paths[id(variable)] = _free(path, taken)
    return paths


def layers_named(model, name) -> list:
    """The layers of `model` with that path, or else all with that name."""
    layers = _layers(model)
    found = [layer for path, layer in layers if path == name]
    return found or [layer for _, layer in layers if layer.name == name]


def match_paths(paths, known, least=1, fits=None) -> list:
    """Finds what a model's paths are called in another model.

    The one whose last names agree furthest is the same; where it stands for
    several of `paths`, those that agree less far have none. So a backbone is
    found alone and nested, and one of two backbones is not taken for the
    other.

    Args:
        paths: list of paths to find.
        known: list of the paths of the other model.
        least: number of last names that must agree.
        fits: `fits(i, j)` tells whether `paths[i]` can be `known[j]`.
            Defaults to all.

    Returns:
        List of the indexes in `known`, `None` where there is none.

    Raises:
        ValueError: if several of `known` agree equally far.
    """
    endings = {}
    for j, path in enumerate(known):
        endings.setdefault(tuple(path.split("/")[-least:]), []).append(j)
    found, lengths = [], []
    for i, path in enumerate(paths):
        candidates = [
            (_agreement(path, known[j]), j)
            for j in endings.get(tuple(path.split("/")[-least:]), [])
            if fits is None or fits(i, j)
        ]
        length = max(candidates, default=(0, None))[0]
        best = [j for agreed, j in candidates if agreed == length]
        if len(best) > 1:
            raise ValueError(
                "Several layers have that name, and none is at the same place "
                "in its model. Name the nested models alike in both. "
                f"Received: {path!r}, which may be "
                f"{[known[j] for j in best]}"
            )
        found.append(best[0] if best else None)
        lengths.append(length)
    longest = Counter()
    for j, length in zip(found, lengths, strict=True):
        longest[j] = max(longest[j], length)
    return [
        j if length == longest[j] else None
        for j, length in zip(found, lengths, strict=True)
    ]


def _agreement(path, other):
    """How many of the last names of two paths are equal.

    One more where they are equal in whole.
    """
    count = 0
    for mine, theirs in zip(
        reversed(path.split("/")), reversed(other.split("/")), strict=False
    ):
        if mine != theirs:
            break
        count += 1
    return count + (path == other)


def _layers(model) -> list[tuple[str, keras.Layer]]:
    """Every layer of `model` once, with its path, those inside it behind."""
    found, taken = {}, set()

    def visit(holder, prefix):
        inside = []
        for layer in inner_layers(holder):
            if id(layer) not in found:
                # Layers inside of a layer may share a name.
                path = _free(f"{prefix}{layer.name}", taken)
                found[id(layer)] = path, layer
                inside.append((path, layer))
        for path, layer in inside:
            visit(layer, f"{path}/")

    visit(model, "")
    return list(found.values())


def _free(path, taken):
    """`path`, or with a number behind it what is not taken; takes it."""
    free, number = path, 1
    while free in taken:
        number += 1
        free = f"{path}_{number}"
    taken.add(free)
    return free


class UniqueNames:
    """Hands out names that no layer of a model has.

    Keras refuses a graph in which two operations share a name. Names that it
    makes up itself are unique in a process only: a model from a file may have
    them already.

    Args:
        model: Functional model whose names are taken.
    """

    def __init__(self, model):
        self._taken = {
            name
            for _, node in graphs.walk(model)
            for name in node.path.split("/")
        }
        # Inputs are no calls.
        self._taken |= {layer.name for layer in graphs.hidden_layers(model)}
        self._given = set()

    def inherit(self, name):
        """The name of a layer for what takes its place, the first time.

        A layer that is called again becomes another one, with a number.
        """
        if name in self._given:
            return self.new(name)
        self._given.add(name)
        return name

    def new(self, name):
        """`name`, with a number behind it if it is taken."""
        for each in itertools.chain(
            [name], (f"{name}_{number}" for number in itertools.count(1))
        ):
            if each not in self._taken | self._given:
                self._given.add(each)
                return each
