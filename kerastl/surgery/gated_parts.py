"""Gives parts of a network a frozen twin, and gates that choose."""

import dataclasses

import keras
from keras import layers

from kerastl.layers.frozen import Frozen
from kerastl.layers.gates import MixByGates
from kerastl.surgery.graph import Node
from kerastl.surgery.rebuild import copy_model
from kerastl.surgery.rebuild import rebuild
from kerastl.surgery.repeat_calls import repeat_calls


@dataclasses.dataclass(frozen=True)
class Part:
    """A part of a flat graph that one tensor enters and one leaves.

    Attributes:
        name: What its gates and twin are named after.
        nodes: The calls in it, in execution order.
        start: The tensor that enters.
    """

    name: str
    nodes: list[Node]
    start: keras.KerasTensor

    @property
    def end(self):
        """The tensor that leaves."""
        return self.nodes[-1].outputs[0]


def add_gates(model, parts, make_gates) -> keras.Model:
    """Rebuilds `model` with a frozen twin beside each part.

    Args:
        model: A flat functional `keras.Model`.
        parts: List of `Part` of its graph, in execution order.
        make_gates: `make_gates(part, new)` returns the part's gates. `new`
            gives the tensor of the new graph for one of the old, as far as
            it has been read.

    Returns:
        A functional `keras.Model` in which gates of 1 take the part, and
        gates of 0 its twin.
    """
    ends = {part.nodes[-1].key: part for part in parts}
    new_tensors = {}

    def new(old):
        return new_tensors[id(old)]

    def call(node, layer, *args, **kwargs):
        given = [
            each
            for each in keras.tree.flatten((args, kwargs))
            if isinstance(each, keras.KerasTensor)
        ]
        new_tensors.update(
            (id(old), new) for old, new in zip(node.inputs, given, strict=True)
        )
        outputs = layer(*args, **kwargs)
        part = ends.get(node.key)
        if part is None:
            return outputs
        twin = _frozen_twin(part)(new(part.start))
        gates = make_gates(part, new)
        mix = MixByGates(
            name=f"{part.name}_mixed", dtype=layer.dtype_policy.name
        )
        return mix([outputs, twin, gates])

    return rebuild(model, call=call)


def channels_of(tensor):
    """Number of channels of a feature map."""
    first = keras.config.image_data_format() == "channels_first"
    return tensor.shape[1 if first else -1]


def pooled(tensor, name):
    """Features averaged over space, in float32."""
    if len(tensor.shape) != 4:
        return tensor
    pool = layers.GlobalAveragePooling2D(name=name, dtype="float32")
    return pool(tensor)


def _frozen_twin(part):
    inputs = keras.Input(batch_shape=part.start.shape, dtype=part.start.dtype)
    tensors = {id(part.start): inputs}
    repeat_calls(part.nodes, tensors)
    twin = keras.Model(inputs, tensors[id(part.end)], name="twin")
    return Frozen(copy_model(twin), name=f"{part.name}_frozen")
