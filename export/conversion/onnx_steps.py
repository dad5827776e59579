"""The steps from a Keras model to an int8 .onnx file."""

import functools
import gc

import numpy as np

from kerastl.export.conversion.converters import layers_of_scopes
from kerastl.export.conversion.freeze_graph import freeze_graph
from kerastl.export.quantization.exact_blurs import exact_onnx_blurs
from kerastl.export.utils.release_memory import release_memory

_MOST_IN_BATCH = 8


def export_onnx(lowered, output_name, opset, path):
    """Writes the float32 graph as the exporter makes it."""
    from tf2onnx import utils

    _add_operators()
    # The names that it makes count on through a process: two files of one
    # network would differ.
    utils.INTERNAL_NAME = 1
    model, [signature] = lowered.to_write(output_name, batch_size=None)
    freeze_graph(model, signature).export(
        path,
        format="onnx",
        verbose=False,
        input_signature=[signature],
        opset_version=opset,
    )
    # The exporter copies the graph with its constants in every pass, and the
    # copies hold each other: a gigabyte that nobody needs.
    gc.collect()
    release_memory()
    require_operators(path, lowered.model)


def fold_onnx(source, path):
    """Folds constants, BatchNormalization and paddings into convolutions."""
    from onnxruntime.quantization.shape_inference import quant_pre_process

    # Symbolic shape inference would need sympy, and CNNs do not need it.
    quant_pre_process(str(source), str(path), skip_symbolic_shape=True)


def quantize_onnx(
    source,
    path,
    images,
    method="minmax",
    activation_type="uint8",
    in_float=(),
    ranges=None,
):
    """Writes a static QDQ file from a folded float32 one.

    Args:
        source: The float32 file.
        path: Destination.
        images: Calibration images.
        method: As `calibration_method` of `to_onnx`.
        activation_type: As in `to_onnx`.
        in_float: Names of tensors whose operators stay float.
        ranges: File that keeps the calibration for the next call, or `None`.
    """
    from onnxruntime import quantization

    # onnxruntime's histograms take batches of one size alone.
    size = max(
        each for each in range(1, _MOST_IN_BATCH + 1) if len(images) % each == 0
    )

    class Reader(quantization.CalibrationDataReader):
        def __init__(self):
            self._starts = iter(range(0, len(images), size))

        def get_next(self):
            start = next(self._starts, None)
            if start is None:
                return None
            return {"image": images[start : start + size]}

    types = quantization.QuantType
    quantization.quantize_static(
        str(source),
        str(path),
        Reader(),
        quant_format=quantization.QuantFormat.QDQ,
        per_channel=True,
        activation_type={"uint8": types.QUInt8, "int8": types.QInt8}[
            activation_type
        ],
        weight_type=types.QInt8,
        calibrate_method=getattr(
            quantization.CalibrationMethod,
            {"minmax": "MinMax"}.get(method, method.capitalize()),
        ),
        # The output is float32: rounding it to eight bits gains nothing.
        nodes_to_exclude=_writers(source, in_float),
        calibration_cache_path=ranges,
    )


def _writers(path, tensors):
    """The nodes that write the output of a file, or one of `tensors`.

    A ReLU goes with what it follows: quantized, the two are one.
    """
    import onnx

    graph = onnx.load(path).graph
    writers = {name: node for node in graph.node for name in node.output}
    todo = [output.name for output in graph.output]
    todo += [name for name in tensors if name in writers]
    found = set()
    while todo:
        node = writers[todo.pop()]
        found.add(node.name)
        if node.op_type in ("Relu", "Clip") and node.input[0] in writers:
            todo.append(node.input[0])
    return sorted(found)


def tidy_onnx(path):
    """Gives the batch a readable name, makes blurs exact, drops leftovers."""
    import onnx

    model = onnx.load(path)
    graph = model.graph
    for tensor in (*graph.input, *graph.output):
        tensor.type.tensor_type.shape.dim[0].dim_param = "batch"
    # They name the batch dimension in the exporter's words.
    del graph.value_info[:]
    del model.metadata_props[:]
    used = {node.domain for node in graph.node}
    for entry in [*model.opset_import]:
        if entry.domain not in used:
            model.opset_import.remove(entry)
    model.producer_name = "kerastl"
    exact_onnx_blurs(model)
    onnx.checker.check_model(model)
    onnx.save(model, path)


@functools.cache
def _add_operators():
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
