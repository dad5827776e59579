"""The proof that goes with a written file."""

from __future__ import annotations

import dataclasses
from typing import Any

from kerastl.export.refinement.record import RefinementRecord
from kerastl.export.utils.text_tables import describe_change
from kerastl.export.utils.text_tables import format_rows
from kerastl.export.utils.text_tables import format_size


@dataclasses.dataclass
class ExportReport:
    """What was written, what it lost, and what it costs.

    Differences and accuracies are measured by running the written file
    beside the Keras model on the same images; latency is one image, warm.

    Attributes:
        path: The file.
        format: "tflite" or "onnx".
        scheme: Name of the scheme.
        size_bytes: Size of the file.
        zipped_bytes: Its size when it is compressed (deflate), as in an app
            package or a download.
        reference: Where the compared images came from: "evaluation",
            "calibration" or "random".
        num_images: How many images were compared.
        max_abs_difference: Largest difference of an output from Keras.
        mean_abs_difference: Mean of those differences.
        top1_agreement: Fraction of images with the same class as in Keras.
        accuracy: Accuracy of the file, `None` without evaluation labels.
        keras_accuracy: Accuracy of the Keras model.
        accuracy_drop: Their difference, as a fraction; negative is a gain.
        latency_ms: Median time for one image.
        latency_p90_ms: Time that nine runs of ten stay below.
        runs: How many runs were timed.
        threads: CPU threads used.
        processor: CPU that it was measured on.
        ops: Operator name to count.
        partitions: Pieces that the XNNPACK delegate runs, one at best;
            `None` for ONNX.
        input: Name, dtype, shape and quantization of the input tensor.
        output: The same of the output tensor.
        num_calibration: Images that set the activation ranges.
        opset: ONNX opset, `None` for TFLite.
        notes: What was changed or chosen on the way, in sentences.
        versions: Package versions.
        refinement: `RefinementRecord` of what was done to the weights, `None`
            where nothing was tried.
        seconds: How long the export took.
    """

    path: str
    format: str
    scheme: str
    size_bytes: int
    zipped_bytes: int
    reference: str
    num_images: int
    max_abs_difference: float
    mean_abs_difference: float
    top1_agreement: float
    accuracy: float | None
    keras_accuracy: float | None
    accuracy_drop: float | None
    latency_ms: float
    latency_p90_ms: float
    runs: int
    threads: int
    processor: str
    ops: dict
    partitions: int | None
    input: dict
    output: dict
    num_calibration: int
    opset: int | None
    notes: list
    versions: dict
    refinement: RefinementRecord | None
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """Returns the fields as plain values, ready for JSON."""
        return dataclasses.asdict(self)

    def __str__(self):
        rows = [
            ("file", f"{self.path} ({format_size(self.size_bytes)})"),
            ("zipped", format_size(self.zipped_bytes)),
            ("scheme", f"{self.format} {self.scheme}"),
            ("input", _tensor(self.input)),
            ("output", _tensor(self.output)),
            ("compared on", f"{self.num_images} {self.reference} images"),
            (
                "difference",
                f"max {self.max_abs_difference:.2g}, "
                f"mean {self.mean_abs_difference:.2g}",
            ),
            ("same class", f"{100 * self.top1_agreement:.1f} %"),
        ]
        if self.accuracy is not None:
            rows.append(
                (
                    "accuracy",
                    f"{100 * self.keras_accuracy:.1f} % in Keras, "
                    f"{100 * self.accuracy:.1f} % in the file "
                    f"({describe_change(self.accuracy_drop)})",
                )
            )
        rows.append(
            (
                "latency",
                f"{self.latency_ms:.2f} ms median, {self.latency_p90_ms:.2f} "
                f"ms p90 ({self.threads} thread"
                f"{'s' if self.threads > 1 else ''}, {self.runs} runs)",
            )
        )
        if self.partitions is not None:
            rows.append(("delegate", f"{self.partitions} partition(s)"))
        if self.refinement is not None:
            rows.append(("refined", str(self.refinement)))
        rows += [("note", note) for note in self.notes]
        return format_rows(rows)


def _tensor(tensor):
    text = f"{tensor['name']} {tensor['dtype']} {tensor['shape']}"
    if "scale" in tensor:
        text += f", scale {tensor['scale']:.6g}"
        text += f", zero point {tensor['zero_point']}"
    return text


class AccuracyDropError(RuntimeError):
    """Raised when a file loses more accuracy than the user allows.

    No file is left behind.

    Args:
        report: `ExportReport` of the refused file: what it was measured to
            lose.
        max_accuracy_drop: The allowed loss, as a fraction.
    """

    def __init__(self, report: ExportReport, max_accuracy_drop: float) -> None:
        lost, before, after = (
            100 * figure
            for figure in (
                report.accuracy_drop,
                report.keras_accuracy,
                report.accuracy,
            )
            if figure is not None
        )
        super().__init__(
            f"The {report.format} {report.scheme} file loses "
            f"{lost:.2f} points of accuracy ({before:.2f} % -> "
            f"{after:.2f} % on {report.num_images} images), "
            f"more than the allowed {100 * max_accuracy_drop:.2f}. No file "
            f"was written. {_ways_out(report)} "
            f"Received: max_accuracy_drop={max_accuracy_drop}"
        )
        self.report = report
        self.max_accuracy_drop = max_accuracy_drop


def _ways_out(report):
    """A sentence of what helps, by where the activation ranges come from."""
    ways = []
    if report.num_calibration:
        ways = ["calibrate with more images of the training set"]
        if report.scheme == "int8":
            ways.append(
                "keep the worst layers in float (`export.selective_int8`, "
                "--keep-float auto)"
            )
        ways.append("train on with `export.quantization_aware`")
    elif report.scheme.startswith("int"):
        ways = ["train the quantization-aware network for more epochs"]
    ways += [
        "try a scheme that keeps more bits ('int16x8', 'float16', 'dynamic')",
        "or allow more.",
    ]
    sentence = ", ".join(ways)
    return sentence[0].upper() + sentence[1:]
