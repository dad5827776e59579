"""The line both exporters share, from a model to a proved file."""

import importlib.metadata
import os
import time

import numpy as np

from kerastl.export.conversion.choose_images import check_finite
from kerastl.export.conversion.choose_images import choose_calibration
from kerastl.export.conversion.choose_images import choose_reference
from kerastl.export.conversion.choose_images import evaluation_batches
from kerastl.export.conversion.choose_images import random_images
from kerastl.export.conversion.converters import get_scheme
from kerastl.export.conversion.converters import on_tensorflow
from kerastl.export.conversion.report import AccuracyDropError
from kerastl.export.conversion.report import ExportReport
from kerastl.export.quantization.freeze import float_layers
from kerastl.export.quantization.freeze import is_quantization_aware
from kerastl.export.quantization.freeze import with_fixed_kernels
from kerastl.export.refinement.write_refined import chosen_steps
from kerastl.export.refinement.write_refined import write_refined
from kerastl.export.runners.inference_model import describe_compression
from kerastl.export.runners.inference_model import lower
from kerastl.export.runners.measure_file import count_operations
from kerastl.export.runners.measure_file import float_notes
from kerastl.export.runners.measure_file import measure_latency
from kerastl.export.runners.measure_file import processor_name
from kerastl.export.runners.measure_file import verify
from kerastl.export.runners.measure_file import zipped_size
from kerastl.export.runners.runner import check_threads
from kerastl.export.runners.runner import load
from kerastl.export.targets.check import load_op_table
from kerastl.export.targets.check import require_target
from kerastl.export.utils.atomic_write import staged_file
from kerastl.export.utils.float32_policy import float32_policy
from kerastl.export.utils.third_party import trust_file
from kerastl.surgery import graph

_SUFFIXES = {"tflite": ".tflite", "onnx": ".onnx"}
_PACKAGES = {
    "tflite": ("keras", "tensorflow", "ai-edge-litert"),
    "onnx": ("keras", "tensorflow", "tf2onnx", "onnx", "onnxruntime"),
}


@float32_policy()
def export_model(
    write,
    model,
    path,
    format,
    scheme,
    *,
    calibration,
    evaluation,
    max_accuracy_drop,
    overwrite,
    num_calibration,
    threads,
    compare_to=None,
    opset=None,
    target=None,
    refine="none",
):
    """Lowers, writes, verifies, measures, and puts the file into place.

    Args:
        write: `write(lowered, output_name, scheme, images, path)` converts;
            `images` are the calibration images or `None`. It returns notes.
        model: The trained model.
        path: Destination.
        format: "tflite" or "onnx".
        opset: ONNX opset, for the report.
        target: Device that the file is checked for.
        refine: As in `to_tflite`.

    The other arguments are those of `to_tflite` and `to_onnx`.
    """
    start = time.perf_counter()
    scheme = get_scheme(scheme, format)
    check_threads(threads)
    steps = chosen_steps(refine)
    if target is not None:
        load_op_table(target)  # refuses an unknown one before the work
    write = on_tensorflow(write)
    lowered = lower(model)
    aware = is_quantization_aware(lowered.model)
    calibrates = scheme.needs_calibration and not aware
    _check_scheme(scheme, aware, calibration)
    with staged_file(path, _SUFFIXES[format], overwrite) as temporary:
        batches = evaluation_batches(evaluation, lowered, max_accuracy_drop)
        images = None
        if calibration is not None:
            images = choose_calibration(
                calibration, lowered, num_calibration, sets_ranges=calibrates
            )
        check_finite(lowered.model, images)
        reference, batches = choose_reference(batches, images, lowered)
        truth = None
        if compare_to is not None:
            truth = _other_truth(compare_to, lowered)
        if getattr(truth, "model", None) is lowered.source:
            # To make another would trace the network once more.
            keras_runner = truth
        else:
            keras_runner = load(lowered.source)
        truth = truth or keras_runner
        writable = with_fixed_kernels(lowered) if aware else lowered
        task = writable, _output_name(keras_runner), scheme
        refinement = plain = None
        if calibrates and steps:
            written, plain, refinement = write_refined(
                write, *task, images, temporary, steps, keras_runner
            )
            notes = written.notes
        else:
            notes = write(*task, images if calibrates else None, temporary)

        def prove(notes):
            trust_file(temporary)
            if aware:
                layers = _float_notes(temporary, format, lowered.model)
                notes = [*notes, *layers]
            if target is not None:
                require_target(temporary, target)
            runner = load(temporary, threads)
            comparison = verify(truth, runner, batches)
            ops, partitions = count_operations(runner, temporary)
            return ExportReport(
                path=str(path),
                format=format,
                scheme=scheme.name,
                size_bytes=temporary.stat().st_size,
                zipped_bytes=zipped_size(temporary),
                reference=reference,
                **vars(comparison),
                **measure_latency(runner, random_images(lowered, 1)),
                threads=threads,
                processor=processor_name(),
                ops=ops,
                partitions=partitions,
                input=runner.input,
                output=runner.output,
                num_calibration=len(images) if calibrates else 0,
                opset=opset,
                notes=[
                    *writable.notes,
                    *notes,
                    *describe_compression(lowered.source),
                ],
                versions={
                    name: importlib.metadata.version(name)
                    for name in _PACKAGES[format]
                },
                refinement=refinement,
                seconds=time.perf_counter() - start,
            )

        report = prove(notes)
        if plain is not None and _drops(report, max_accuracy_drop):
            # What differs less may still be wrong more often.
            refinement.refuse(report.accuracy_drop)
            os.replace(plain.path, temporary)
            report = prove(plain.notes)
        _check_drop(report, max_accuracy_drop)
    return report


def _check_scheme(scheme, aware, calibration):
    if aware and not scheme.rounds_as_trained:
        raise ValueError(
            "The model was trained with the rounding of an int8 file, and "
            "has no other form. Choose the scheme 'int8', or export the "
            "model that `quantization_aware` was given. "
            f"Received: scheme={scheme.name!r}"
        )
    if scheme.needs_calibration and not aware and calibration is None:
        raise ValueError(
            f"The scheme '{scheme.name}' needs sample images to set the "
            "activation ranges. Pass `calibration=`, a dataset of a few "
            "hundred training images, or choose a scheme without. "
            "Received: calibration=None"
        )


def _other_truth(model, lowered):
    runner = load(model)
    expected = (tuple(lowered.input_shape), lowered.num_classes)
    received = (tuple(runner.input_shape), runner.num_classes)
    if received != expected:
        raise ValueError(
            "The model to compare the file with must take the same images "
            "and tell the same classes apart. Expected images of shape "
            f"{expected[0]} and {expected[1]} classes. Received: compare_to "
            f"with {received[0]} and {received[1]}"
        )
    return runner


def _output_name(runner):
    if runner.kind is not None:
        return "probabilities" if runner.kind == "sigmoid" else "outputs"
    outputs = runner.predict(
        np.zeros((1, *runner.input_shape), dtype="float32")
    )
    sums_to_one = np.allclose(outputs.sum(axis=-1), 1.0, atol=1e-3)
    inside = outputs.min() >= 0 and outputs.max() <= 1
    return "probabilities" if inside and sums_to_one else "outputs"


def _float_notes(path, format, model):
    layers = [node.path for _, node in graph.walk(model)]
    return float_notes(path, format, layers, float_layers(model))


def _drops(report, max_accuracy_drop):
    # A drop that is exactly the allowed one must not fail on rounding.
    return (
        max_accuracy_drop is not None
        and report.accuracy_drop > max_accuracy_drop + 1e-9
    )


def _check_drop(report, max_accuracy_drop):
    if _drops(report, max_accuracy_drop):
        raise AccuracyDropError(report, max_accuracy_drop)
