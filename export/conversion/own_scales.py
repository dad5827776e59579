"""Keeps tensors apart that TensorFlow's quantizer would take for one."""

import collections

import numpy as np

# What TFLite computes on one scale, its operands' and its result's, and where
# the operands of numbers begin.
_ONE_SCALE = {"Maximum": 0, "Minimum": 0, "Select": 1, "SelectV2": 1}
# The float beside 1: any factor makes a tensor of its own, and a 1 is taken
# out by the converter.
_FACTOR = np.nextafter(np.float32(1), np.float32(2))


def give_own_scales(definition, outputs):
    """Separates what is compared or selected from its other readers.

    A minimum, a maximum and a choice of two have one scale in TFLite, that of
    their result. TensorFlow's quantizer gives it to the tensors that they
    read, too, and so cuts off what the result does not hold: of `min(x, 0)`
    all of x that is positive, also for whoever else reads x, as the other
    half of a CELU does. Such an operand is multiplied by what is 1 to the
    last bit of a float, and has a tensor of its own.

    Args:
        definition: `GraphDef` without variables; it is changed.
        outputs: Names of the tensors that it gives.
    """
    nodes = {node.name: node for node in definition.node}
    readers = collections.defaultdict(set)
    for node in definition.node:
        if node.op != "Identity":
            for name in node.input:
                readers[_origin(name, nodes)].add(node.name)
    for name in outputs:
        readers[_origin(name, nodes)].add("")
    for node in [*definition.node]:
        first = _ONE_SCALE.get(node.op)
        if first is None or not _is_float(node) or _is_relu(node, nodes):
            continue
        for place in range(first, len(node.input)):
            tensor = _origin(node.input[place], nodes)
            if len(readers[tensor]) > 1 and not _is_constant(
                nodes.get(_maker(tensor))
            ):
                node.input[place] = _multiplied(definition, node, place)


def give_own_biases(definition):
    """Separates equal vectors, such as the bias of a layer called twice.

    The converter merges equal constants, and with activations of 16 bits it
    rounds a bias once, to the scale of one of its readers: at all others it
    is wrong by the ratio of their scales. A copy that differs in the last bit
    of a float is not merged.

    Args:
        definition: As in `give_own_scales`.
    """
    from tensorflow.python.framework.tensor_util import MakeNdarray
    from tensorflow.python.framework.tensor_util import make_tensor_proto

    nodes = {node.name: node for node in definition.node}
    seen = collections.Counter()
    for node in [*definition.node]:
        if node.op == "Identity":
            continue
        for place, name in enumerate(node.input):
            constant = nodes.get(_maker(_origin(name, nodes)))
            if not _is_constant(constant) or name.startswith("^"):
                continue
            vector = MakeNdarray(constant.attr["value"].tensor)
            if vector.dtype != np.float32 or vector.ndim != 1:
                continue
            copies = seen[vector.tobytes()]
            seen[vector.tobytes()] += 1
            if not copies or not vector.any():
                continue
            own = definition.node.add()
            own.CopyFrom(constant)
            own.name = f"{node.name}/own_{place}"
            own.attr["value"].tensor.CopyFrom(
                make_tensor_proto(vector + copies * np.spacing(vector))
            )
            node.input[place] = own.name


def _origin(name, nodes):
    """The tensor that a chain of identities hands on."""
    node = nodes.get(_maker(name))
    while node is not None and node.op == "Identity":
        name = node.input[0]
        node = nodes.get(_maker(name))
    return name.removesuffix(":0")


def _maker(name):
    return name.removeprefix("^").split(":")[0]


def _is_constant(node):
    return node is not None and node.op == "Const"


def _is_float(node):
    from tensorflow.core.framework import types_pb2

    return node.attr["T"].type == types_pb2.DT_FLOAT


def _is_relu(node, nodes):
    """Whether TFLite computes it as a ReLU, which has a scale of its own."""
    from tensorflow.python.framework.tensor_util import MakeNdarray

    made_by = [nodes.get(_maker(name)) for name in node.input[:2]]
    return node.op == "Maximum" and any(
        _is_constant(maker)
        and not MakeNdarray(maker.attr["value"].tensor).any()
        for maker in made_by
    )


def _multiplied(definition, node, place):
    """Adds what multiplies an operand, and returns its name."""
    from tensorflow.python.framework.tensor_util import make_tensor_proto

    name = f"{node.name}/own_scale_{place}"
    factor = definition.node.add(name=f"{name}/factor", op="Const")
    factor.attr["dtype"].CopyFrom(node.attr["T"])
    factor.attr["value"].tensor.CopyFrom(make_tensor_proto(_FACTOR))
    product = definition.node.add(name=name, op="Mul")
    product.attr["T"].CopyFrom(node.attr["T"])
    product.input.extend([node.input[place], factor.name])
    return name
