"""What tf2onnx lacks of TensorFlow's operators, and who made the rest."""

import functools

import numpy as np

from kerastl.export.unsupported_layers import layers_of_scopes


@functools.cache
def add_operators():
    """Teaches tf2onnx the operators of GELU, CELU and `log1p`.

    Each is written with operators that every ONNX runtime has.
    """
    from tf2onnx.handler import tf_op

    @tf_op("Erfc")
    class Erfc:
        @classmethod
        def version_9(cls, ctx, node, **kwargs):
            _replace(ctx, node, "Erf", ("Sub", 1.0, "left"))

    @tf_op("Expm1")
    class Expm1:
        @classmethod
        def version_6(cls, ctx, node, **kwargs):
            _replace(ctx, node, "Exp", ("Sub", 1.0, "right"))

    @tf_op("Log1p")
    class Log1p:
        @classmethod
        def version_6(cls, ctx, node, **kwargs):
            _replace(ctx, node, ("Add", 1.0, "right"), "Log")


def _replace(ctx, node, *steps):
    """Writes a chain of operators in the place of one, under its name."""
    dtype = ctx.get_dtype(node.output[0])
    shape = ctx.get_shape(node.output[0])
    name, result, tensor = node.name, node.output[0], node.input[0]
    ctx.remove_node(name)
    for index, step in enumerate(steps):
        inputs = [tensor]
        if not isinstance(step, str):
            step, value, side = step
            constant = ctx.make_const(
                f"{name}/constant_{index}", np.array(value, "float32")
            ).output[0]
            inputs.insert(0 if side == "left" else 1, constant)
        last = index == len(steps) - 1
        tensor = ctx.make_node(
            step,
            inputs,
            name=f"{name}/{step}",
            outputs=[result] if last else None,
            dtypes=[dtype],
            shapes=[shape],
        ).output[0]


def require_operators(path, model):
    """Raises if a file has operators that ONNX does not.

    The exporter leaves in the file what it has no translation for.

    Args:
        path: The file.
        model: Functional model that it was written from.

    Raises:
        ValueError: With the operators and the layers that made them.
    """
    import onnx

    content = onnx.load(path)
    [opset] = [
        each.version
        for each in content.opset_import
        if each.domain in ("", "ai.onnx")
    ]
    missing = {}
    for node in content.graph.node:
        known = onnx.defs.has(node.op_type, opset, node.domain)
        if not known and node.domain in ("", "ai.onnx"):
            missing.setdefault(node.op_type, []).append(node.name)
    if not missing:
        return
    scopes = [name for names in missing.values() for name in names]
    layers = layers_of_scopes(model, scopes)
    made_by = f" (made by: {', '.join(layers or scopes[:5])})"
    raise ValueError(
        "The model uses operators of TensorFlow that ONNX does not have: "
        f"{', '.join(sorted(missing))}{made_by}. Replace the layers that make "
        "them, or write a TFLite file with `to_tflite`. No file was written. "
        f"Received: model={model.name!r}"
    )
