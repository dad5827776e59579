"""Writes TensorFlow Lite (LiteRT) files."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING
from typing import Literal

from kerastl.export.conversion.converters import layers_of_scopes
from kerastl.export.conversion.converters import unsupported_layers
from kerastl.export.conversion.freeze_graph import freeze_graph
from kerastl.export.conversion.pipeline import export_model
from kerastl.export.quantization.exact_blurs import exact_tflite_blurs
from kerastl.export.quantization.four_bits import four_bit_copy
from kerastl.export.quantization.four_bits import pack_four_bits
from kerastl.export.utils.third_party import quiet_console
from kerastl.export.utils.third_party import require
from kerastl.types import Data
from kerastl.types import PathLike

if TYPE_CHECKING:
    import keras

    from kerastl.export.conversion.report import ExportReport


def to_tflite(
    model: keras.Model,
    path: PathLike,
    scheme: Literal[
        "float32",
        "float16",
        "dynamic",
        "int8",
        "uint8_io",
        "int8_per_tensor",
        "int4",
        "int4_micro",
        "int16x8",
    ] = "int8",
    calibration: Data | None = None,
    evaluation: Data | None = None,
    max_accuracy_drop: float | None = None,
    overwrite: bool = False,
    num_calibration: int = 200,
    threads: int = 1,
    target: str | None = None,
    compare_to: keras.Model | None = None,
    refine: str | Iterable[str] = "auto",
) -> ExportReport:
    """Writes a .tflite file, runs it, and reports what it lost.

    The file takes one image (a static batch of 1, as phones and
    microcontrollers need it) called `image` and returns `probabilities`. It
    holds built-in operators only, never Flex ones. It appears at `path` when
    it is proved, in one step.

    For images that are bytes the int8 input has scale 1 and zero point -128:
    feed those of a camera minus 128. "uint8_io" takes them as they are, and
    gives the output of "int8" plus 128. Images are bytes where the dtype of
    `calibration` or the model's own preprocessing says so, or where they nearly
    reach 255; others have the scale of their values.

    Args:
        model: Functional or Sequential classifier, or a `FineTuner`.
        path: Destination, ending in ".tflite".
        scheme: "float32", "float16", "dynamic", "int8", "uint8_io",
            "int8_per_tensor", "int4", "int4_micro" or "int16x8"; see
            `kerastl.export.SCHEMES`.
        calibration: Images that set the activation ranges; needed by the
            integer schemes, but not for a model from `quantization_aware`,
            which knows its ranges. A dataset of (images, labels) or of
            images, a pair of arrays, or an array; as the model takes them.
            With labels the same number of each class is used.
        evaluation: Images, best with labels, to compare the file with the
            Keras model on. Without it the calibration images are compared,
            and without those random ones.
        max_accuracy_drop: Largest allowed loss of accuracy as a fraction:
            0.01 is one point. Needs labels in `evaluation`.
        overwrite: Whether an existing file may be replaced.
        num_calibration: How many calibration images to use at most.
        threads: CPU threads to measure with.
        target: Device that has to run the file, "xnnpack", "tflite-micro" or
            "full-int8" (see `kerastl.export.check`); one that it cannot run
            is not written.
        compare_to: Keras model to compare the file with, in place of `model`:
            for a model from `quantization_aware` the float one that it came
            from, so that the drop is that of the whole way.
        refine: What is done to the weights so that the file answers more like
            the float network: "auto" for all that there is, "none", or names
            of `kerastl.export.REFINEMENTS`. "pixels" writes the scaling of
            the images as one kernel that keeps bytes apart, "equalisation"
            gives the channels of a tensor the same share of its levels by
            factors that leave the float network's answers as they are,
            "rounding" chooses the integers of a kernel together and not each
            for itself, "bias" takes out the mean error of every channel. Size
            and operators stay, but for that one kernel, and so does the time
            that they take. Both files are written, and the plain one is kept
            unless the refined one is nearer to the network on blends of
            calibration images that nothing was fitted to, by more than
            chance, and loses no more than `max_accuracy_drop`. Only schemes
            that calibrate are refined, with 10 images or more; models of
            `quantization_aware` are not.

    Returns:
        An `ExportReport`.

    Raises:
        AccuracyDropError: If the file loses more than `max_accuracy_drop`.
        ImportError: If ai-edge-litert is missing.
        TargetError: If the file fails the check of `target`.
        ValueError: If an argument does not fit, or the model has operators
            that TFLite does not have.

    Example:

    ```python
    report = kerastl.export.to_tflite(
        model, "model.tflite", calibration=train, evaluation=validation
    )
    print(report)
    ```
    """
    require("ai_edge_litert.interpreter", "ai-edge-litert")
    return export_model(
        _write,
        model,
        path,
        "tflite",
        scheme,
        calibration=calibration,
        evaluation=evaluation,
        max_accuracy_drop=max_accuracy_drop,
        overwrite=overwrite,
        num_calibration=num_calibration,
        threads=threads,
        target=target,
        compare_to=compare_to,
        refine=refine,
    )


def _write(lowered, output_name, scheme, images, path):
    if scheme.four_bits is not None:
        rounded = four_bit_copy(lowered.model, scheme.four_bits)
        lowered = dataclasses.replace(lowered, model=rounded)
    model, [signature] = lowered.to_write(output_name, batch_size=1)
    try:
        with quiet_console():
            to_export = _to_export(lowered, model, signature, scheme, images)
            to_export.export(
                path,
                format="litert",
                verbose=False,
                input_signature=[signature],
                **_converter_options(scheme, images),
            )
    except Exception as error:
        missing = _missing_operators(error)
        if not missing:
            raise
        layers = unsupported_layers(lowered.model, error, missing)
        made_by = f" (made by: {', '.join(layers)})" if layers else ""
        raise ValueError(
            f"The model uses operators that TFLite does not have for the "
            f"scheme '{scheme.name}': {', '.join(missing)}{made_by}. Replace "
            "the layers that make them, or try another scheme. No file was "
            f"written. Received: model={lowered.source.name!r}"
        ) from error
    exact_tflite_blurs(path)
    if scheme.four_bits is None:
        return []
    share = pack_four_bits(path, scheme.four_bits)
    return [
        f"Four bits: {100 * share:.0f} % of the kernels' weights; the others "
        "have eight."
    ]


def _to_export(lowered, model, signature, scheme, images):
    """The frozen graph, or the model where its converter knows more."""
    graph = freeze_graph(
        model,
        signature,
        own_scales=images is not None,
        own_biases=scheme.name == "int16x8",
    )
    if images is not None and graph.lists:
        # TensorFlow's calibrator ends the process on them, without a word.
        layers = layers_of_scopes(lowered.model, graph.lists)
        made_by = f" (made by: {', '.join(layers)})" if layers else ""
        raise ValueError(
            "Activation ranges cannot be measured in a loop that collects "
            f"what each of its steps gives{made_by}. Make recurrent layers "
            "with `unroll=True`, which takes the same weights, replace others "
            "by operations on the whole tensor, or export a scheme without "
            "calibration or to ONNX. No file was written. "
            f"Received: model={lowered.source.name!r}"
        )
    # Of grouped convolutions: it inlines those that are compiled alone.
    return model if graph.has_functions else graph


def _converter_options(scheme, images):
    import tensorflow as tf

    ops = tf.lite.OpsSet
    # Keras would also allow operators of full TensorFlow (Flex).
    builtins = {"target_spec": {"supported_ops": [ops.TFLITE_BUILTINS]}}
    if scheme.name == "float32":
        return builtins
    options = {**builtins, "optimizations": [tf.lite.Optimize.DEFAULT]}
    if scheme.name == "float16":
        options["target_spec"]["supported_types"] = [tf.float16]
    if not scheme.needs_calibration:
        return options
    border = tf.uint8 if scheme.name == "uint8_io" else tf.int8
    if images is None:  # the graph says itself how to round
        return {
            **options,
            "inference_input_type": border,
            "inference_output_type": border,
        }

    def representative_dataset():
        for image in images:
            yield [image[None]]

    operators = ops.TFLITE_BUILTINS_INT8
    if scheme.name == "int16x8":
        border = tf.int16
        operators = (
            ops.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
        )
    if scheme.name == "int8_per_tensor":
        options["_experimental_disable_per_channel"] = True
    return {
        **options,
        "target_spec": {"supported_ops": [operators]},
        "representative_dataset": representative_dataset,
        "inference_input_type": border,
        "inference_output_type": border,
    }


def _missing_operators(error):
    """Returns the names of the operators that a converter complains of."""
    text = "\n".join([str(error), *getattr(error, "__notes__", [])])
    names = re.findall(r"(?:Flex|Custom|Select) ops: ([^\n]+)", text)
    names += re.findall(r"'tf\.(\w+)' op is neither", text)
    names += re.findall(r"not yet supported for op: '?(\w+)", text)
    found = {name.strip() for group in names for name in group.split(",")}
    return sorted(found - {""})
