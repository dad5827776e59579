"""Writes ONNX files."""

from kerastl.export.calibration import stretch_to_pixel_range
from kerastl.export.pipeline import export_model
from kerastl.export.quantization.restore_kernels import restore_kernels
from kerastl.export.quiet import quiet_console
from kerastl.export.require import require

_OPSETS = range(13, 19)  # per-channel QDQ starts at 13, tf2onnx ends at 18
_METHODS = ("minmax", "entropy", "percentile")
_ACTIVATIONS = ("uint8", "int8")
_CALIBRATION_BATCH = 8


def to_onnx(
    model,
    path,
    scheme="int8",
    calibration=None,
    evaluation=None,
    max_accuracy_drop=None,
    overwrite=False,
    num_calibration=200,
    threads=1,
    opset=17,
    calibration_method="minmax",
    activation_type="uint8",
):
    """Writes an .onnx file, runs it in onnxruntime, and reports what it lost.

    The file takes a batch of any size called `image`, channels last as in
    Keras, and returns `probabilities`; both are float32 in every scheme.
    BatchNormalization is folded into the convolutions. The file appears at
    `path` when it is proved, in one step.

    Args:
        model: Functional or Sequential classifier, or a `FineTuner`.
        path: Destination, ending in ".onnx".
        scheme: "float32" or "int8" (static QDQ, per channel).
        calibration: Images that set the activation ranges; needed by "int8",
            but not for a model from `quantization_aware`. As in `to_tflite`.
        evaluation: Images, best with labels, to compare on. As in
            `to_tflite`.
        max_accuracy_drop: Largest allowed loss of accuracy as a fraction.
        overwrite: Whether an existing file may be replaced.
        num_calibration: How many calibration images to use at most.
        threads: CPU threads to measure with.
        opset: Version of the operator set, 13 to 18.
        calibration_method: "minmax" covers every value seen; "entropy" and
            "percentile" clip rare ones, and hold every activation of the
            calibration set in memory.
        activation_type: "uint8", the quicker on x86, or "int8".

    Returns:
        An `ExportReport`.

    Raises:
        AccuracyDropError: If the file loses more than `max_accuracy_drop`.
        ImportError: If tf2onnx, onnx or onnxruntime is missing.
        ValueError: If an argument does not fit.

    Example:

    ```python
    report = kerastl.export.to_onnx(
        model, "model.onnx", calibration=train, evaluation=validation
    )
    print(report)
    ```
    """
    for package in ("onnx", "onnxruntime", "tf2onnx"):
        require(package, package)
    for name, value, choices in (
        ("opset", opset, tuple(_OPSETS)),
        ("calibration_method", calibration_method, _METHODS),
        ("activation_type", activation_type, _ACTIVATIONS),
    ):
        if value not in choices:
            raise ValueError(
                f"`{name}` must be one of {choices}. Received: {name}={value!r}"
            )

    def write(lowered, output_name, scheme, images, path):
        exported = path.with_suffix(".exported.onnx")
        folded = path.with_suffix(".folded.onnx")
        with quiet_console():
            _export(lowered, output_name, opset, exported)
            if lowered.kernels is not None:
                restore_kernels(exported, path, lowered.kernels)
            else:
                _fold(exported, folded)
                if scheme.name == "int8":
                    _quantize(
                        folded,
                        path,
                        images,
                        calibration_method,
                        activation_type,
                    )
                else:
                    folded.rename(path)
            _tidy(path)
        return []

    return export_model(
        write,
        model,
        path,
        "onnx",
        scheme,
        calibration=calibration,
        evaluation=evaluation,
        max_accuracy_drop=max_accuracy_drop,
        overwrite=overwrite,
        num_calibration=num_calibration,
        threads=threads,
        opset=opset,
    )


def _export(lowered, output_name, opset, path):
    model, signature = lowered.to_write(output_name, batch_size=None)
    model.export(
        path,
        format="onnx",
        verbose=False,
        input_signature=signature,
        opset_version=opset,
    )


def _fold(source, path):
    """Folds constants, BatchNormalization and paddings into convolutions."""
    from onnxruntime.quantization.shape_inference import quant_pre_process

    # Symbolic shape inference would need sympy, and CNNs do not need it.
    quant_pre_process(str(source), str(path), skip_symbolic_shape=True)


def _quantize(source, path, images, method, activation_type):
    from onnxruntime import quantization

    images = stretch_to_pixel_range(images)

    class Reader(quantization.CalibrationDataReader):
        def __init__(self):
            self._starts = iter(range(0, len(images), _CALIBRATION_BATCH))

        def get_next(self):
            start = next(self._starts, None)
            if start is None:
                return None
            return {"image": images[start : start + _CALIBRATION_BATCH]}

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
        nodes_to_exclude=_output_nodes(source),
    )


def _output_nodes(path):
    import onnx

    graph = onnx.load(path).graph
    outputs = {output.name for output in graph.output}
    return [node.name for node in graph.node if outputs & set(node.output)]


def _tidy(path):
    """Gives the batch a readable name and drops what tools left behind."""
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
    onnx.checker.check_model(model)
    onnx.save(model, path)
