"""AdaFilter: every example chooses its filters, frozen or tuned."""

from collections.abc import Iterable
from typing import Literal

import keras
from keras import layers as keras_layers

from kerastl.arguments import as_names
from kerastl.arguments import checked_seed
from kerastl.arguments import nearest_hint
from kerastl.layers.gates import BinaryGates
from kerastl.layers.gates import RecurrentGate
from kerastl.surgery.find_head import find_head
from kerastl.surgery.gated_parts import Part
from kerastl.surgery.gated_parts import add_gates
from kerastl.surgery.gated_parts import channels_of
from kerastl.surgery.gated_parts import pooled
from kerastl.surgery.graph import read_graph
from kerastl.surgery.repeat_calls import open_nested


def add_gated_filters(
    model: keras.Model,
    layers: Iterable[str] | None = None,
    units: int = 128,
    gate: Literal["straight_through", "gumbel"] = "straight_through",
    temperature: float = 5.0,
    gate_bias: float = 0.1,
    seed: int | None = None,
) -> keras.Model:
    """AdaFilter: lets every image choose each filter, frozen or tuned.

    Each chosen `Conv2D`, with the BatchNormalization that reads it, gets a
    frozen twin with the weights and statistics that it has now. A recurrent
    gating network, shared by all of them, looks at the pooled input of one
    convolution after the other, in execution order, and opens a gate for
    every filter that is to be the tuned one:

        z = mean over space of the input,  state = LSTM(P z, state)
        gates = (W state + b >= 0)
        output = gates * BN(conv(x)) + (1 - gates) * frozen BN(conv(x))

    The tuned branch is normalized by its batch in training, the frozen one
    always by the source's statistics. At the start both branches are equal,
    so that the outputs are those of `model`, whatever the gates. Layers
    without a twin (depthwise convolutions, the head) train as they are.

    Both branches are computed, also in inference. `kerastl.fold_gates` makes
    a plain network of it after training. The gating network is trained with a
    rate of its own: `kerastl.optimizers.gate_optimizer`.

    Args:
        model: A functional or built sequential `keras.Model`; nested
            backbones are opened. Its current weights are the frozen ones.
        layers: Names of `Conv2D` layers to gate. Defaults to all of them but
            the head.
        units: Size of the gating network's LSTM.
        gate: `"straight_through"` or `"gumbel"`, see
            `kerastl.layers.BinaryGates`.
        temperature: That of `"gumbel"`.
        gate_bias: Starting value of `b`. Near 0, or filters stay where they
            begin.
        seed: Seed of the gating network.

    Returns:
        A functional `keras.Model`, a copy with the names of the layers kept.

    Raises:
        ValueError: If there is no convolution to gate, a name is unknown or
            no `Conv2D`, or a named layer is called several times.

    Example:

    ```python
    student = kerastl.replace_head(source, num_classes=10)
    gated = kerastl.surgery.add_gated_filters(student)
    optimizer = kerastl.optimizers.gate_optimizer(gated, "sgd", factor=10)
    gated.compile(optimizer, "sparse_categorical_crossentropy")
    gated.fit(train, epochs=20)
    folded = kerastl.fold_gates(gated, train)
    ```

    Reference:
        Guo et al., "AdaFilter: Adaptive Filter Fine-tuning for Deep Transfer
        Learning", AAAI 2020. Assumed: the type and size of the recurrent
        cell, the projection `P`, the threshold, the straight-through
        gradient, and that the frozen statistics stay.
    """
    flat = open_nested(model)
    graph = read_graph(flat)
    parts = [_part(graph, node) for node in _convolutions(flat, graph, layers)]
    seed = checked_seed("seed", seed)
    recurrent = RecurrentGate(units, seed=seed, name="recurrent_gate")
    memory = []

    def make_gates(part, new):
        project = keras_layers.Dense(
            units,
            use_bias=False,
            kernel_initializer=_glorot(),
            dtype="float32",
            name=f"{part.name}_gate_project",
        )
        projected = project(pooled(new(part.start), f"{part.name}_gate_pool"))
        memory.append(recurrent(projected, *memory[-1:]))
        decide = keras_layers.Dense(
            channels_of(part.end),
            kernel_initializer=_glorot(),
            bias_initializer=keras.initializers.Constant(gate_bias),
            dtype="float32",
            name=f"{part.name}_gate_logits",
        )
        gates = BinaryGates(
            gate, temperature, _seed(), name=f"{part.name}_gates"
        )
        return gates(decide(memory[-1][:, :units]))

    def _seed():
        # Each layer draws something else.
        return None if seed is None else seed + 1 + len(memory)

    def _glorot():
        return keras.initializers.GlorotUniform(_seed())

    return add_gates(flat, parts, make_gates)


def _convolutions(model, graph, names):
    """The calls of the convolutions to gate, in execution order."""
    calls = {}
    for node in graph.nodes:
        calls.setdefault(node.operation.name, []).append(node)
    head = find_head(model).layer
    found = {
        name: nodes[0]
        for name, nodes in calls.items()
        if type(nodes[0].operation) is keras_layers.Conv2D
        and nodes[0].operation is not head
        and len(nodes) == 1
    }
    if names is None:
        if not found:
            raise ValueError(
                "The model has no `Conv2D` layer, beside a head, that could "
                f"get gates. Received: model={model.name!r} with "
                f"{sorted({type(x.operation).__name__ for x in graph.nodes})}"
            )
        return list(found.values())
    names = as_names(names)
    for name in names:
        if name not in calls:
            raise ValueError(
                "The model has no layer of that name."
                f"{nearest_hint(name, found)} Received: layers={names}, of "
                f"which {name!r}"
            )
        if name not in found:
            raise ValueError(
                "Gates can be put on a `Conv2D` that is called once and is "
                f"not the head. Received: layers={names}, of which {name!r} "
                f"is a {type(calls[name][0].operation).__name__} called "
                f"{len(calls[name])} times"
            )
    return [node for name, node in found.items() if name in names]


def _part(graph, node):
    """The convolution with the BatchNormalization that alone reads it."""
    nodes = [node]
    readers = graph.readers(node.outputs[0])
    if (
        len(readers) == 1
        and not graph.is_output(node.outputs[0])
        and isinstance(readers[0].operation, keras_layers.BatchNormalization)
        and readers[0].call_index == 0
    ):
        nodes.append(readers[0])
    return Part(node.operation.name, nodes, node.inputs[0])
