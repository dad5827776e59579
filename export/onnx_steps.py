"""The steps from a Keras model to an int8 .onnx file."""

from kerastl.export.freeze_graph import freeze_graph
from kerastl.export.onnx_operators import add_operators
from kerastl.export.onnx_operators import require_operators
from kerastl.export.quantization.exact_onnx_blurs import exact_onnx_blurs

_MOST_IN_BATCH = 8


def export_onnx(lowered, output_name, opset, path):
    """Writes the float32 graph as the exporter makes it."""
    from tf2onnx import utils

    add_operators()
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
        each
        for each in range(1, _MOST_IN_BATCH + 1)
        if len(images) % each == 0
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
