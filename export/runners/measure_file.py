"""What a written file does: how near to the model, how fast, on what."""

import collections
import dataclasses
import pathlib
import platform
import re
import time
import zlib

import numpy as np

from kerastl.export.runners.class_scores import predicted
from kerastl.export.targets.litert_graph import read_litert_graph


@dataclasses.dataclass
class _Comparison:
    """What the same images gave in Keras and in the file."""

    num_images: int
    max_abs_difference: float
    mean_abs_difference: float
    top1_agreement: float
    accuracy: float | None
    keras_accuracy: float | None
    accuracy_drop: float | None


def verify(reference, runner, batches):
    """Runs every image through both and compares the outputs.

    Args:
        reference: `Runner` of the Keras model.
        runner: `Runner` of the file.
        batches: Iterable of `(images, labels)`; labels may be `None`.

    Returns:
        A `_Comparison`; its accuracies are `None` without labels.

    Raises:
        ValueError: If the model or the file returns NaN, or the file another
            shape.
    """
    num_images = num_values = 0
    largest = total = 0.0
    agreed, right, keras_right, labelled = 0, 0, 0, 0
    for images, labels in batches:
        expected, received = reference.predict(images), runner.predict(images)
        if received.shape != expected.shape:
            raise ValueError(
                "The written file does not compute what the model does: "
                f"expected outputs of shape {expected.shape}. "
                f"Received: {received.shape}"
            )
        if np.isnan(expected).any():
            # Beside it nothing that the file returns could be judged.
            raise ValueError(
                "The Keras model itself returns NaN, so that there is nothing "
                "to compare the file with. Look at the images and at the "
                "weights: training may have diverged. Received: NaN for "
                f"{np.isnan(expected).any(axis=-1).sum()} of "
                f"{len(expected)} images"
            )
        if np.isnan(received).any():
            raise ValueError(
                "The written file returns NaN where the model does not. "
                "Choose a scheme with a wider range, such as 'float32'. "
                f"Received: NaN for {np.isnan(received).any(axis=-1).sum()} "
                f"of {len(received)} images"
            )
        # Two that are infinite alike do not differ.
        difference = np.abs(
            np.subtract(
                received,
                expected,
                out=np.zeros_like(expected),
                where=received != expected,
            )
        )
        largest = max(largest, float(difference.max()))
        total += float(difference.sum(dtype="float64"))
        num_images += len(images)
        num_values += difference.size
        # The network is the same, and Keras knows best what it ends in.
        classes = predicted(received, reference.kind)
        keras_classes = predicted(expected, reference.kind)
        agreed += int((classes == keras_classes).sum())
        if labels is not None:
            labelled += len(labels)
            right += int((classes == labels).sum())
            keras_right += int((keras_classes == labels).sum())
    accuracy = right / labelled if labelled else None
    keras_accuracy = keras_right / labelled if labelled else None
    return _Comparison(
        num_images=num_images,
        max_abs_difference=largest,
        mean_abs_difference=total / num_values,
        top1_agreement=agreed / num_images,
        accuracy=accuracy,
        keras_accuracy=keras_accuracy,
        accuracy_drop=keras_accuracy - accuracy if labelled else None,
    )


_WARM_UP = 5
_BLOCK = 5
_FEWEST_RUNS = 20
_MOST_RUNS = 200
_SECONDS = 1.0


def measure_latency(runner, image):
    """Times single-image inference, warm.

    Args:
        runner: `Runner` to time.
        image: Batch of one image.

    Returns:
        Dictionary of `latency_ms` (median), `latency_p90_ms` and `runs`.
    """
    [measured] = measure_interleaved([runner.prepare(image)])
    return measured


def measure_interleaved(runs, seconds=_SECONDS):
    """Times several things side by side, in turn and in short blocks.

    What slows the machine for a while, such as heat or another process,
    meets all of them alike. The first run of a block is not counted where
    there are several: the others have had the caches meanwhile.

    Args:
        runs: Functions without arguments.
        seconds: About how long to time each.

    Returns:
        List of dictionaries of `latency_ms` (median), `latency_p90_ms` and
        `runs`, one a function.
    """
    for run in runs:
        for _ in range(_WARM_UP):
            run()
    times = [[] for _ in runs]
    end = time.perf_counter() + seconds * len(runs)
    while len(times[0]) < _FEWEST_RUNS or (
        len(times[0]) < _MOST_RUNS and time.perf_counter() < end
    ):
        for run, taken in zip(runs, times, strict=True):
            if len(runs) > 1:
                run()
            for _ in range(_BLOCK):
                start = time.perf_counter()
                run()
                taken.append(1000 * (time.perf_counter() - start))
    return [
        {
            "latency_ms": float(np.median(taken)),
            "latency_p90_ms": float(np.percentile(taken, 90)),
            "runs": len(taken),
        }
        for taken in times
    ]


def zipped_size(path):
    """Returns how many bytes a file has when it is deflated."""
    return len(zlib.compress(pathlib.Path(path).read_bytes(), 9))


def count_operations(runner, path):
    """Returns the operator counts of a file and its delegate partitions.

    The partitions are `None` where the runtime has no delegates.
    """
    if runner.format == "tflite":
        names, partitions = runner.operations(), runner.partitions()
    else:
        import onnx

        nodes = onnx.load(path, load_external_data=False).graph.node
        names, partitions = [node.op_type for node in nodes], None
    return dict(sorted(collections.Counter(names).items())), partitions


# As Linux names them: x86-64 first, then 64-bit Arm.
_INTEGER_DOT_PRODUCTS = (
    "avx512_vnni",
    "avx_vnni",
    "amx_int8",
    "asimddp",
    "i8mm",
)
_INFORMATION = pathlib.Path("/proc/cpuinfo")


def processor_name():
    """Returns the name of the processor, as far as the system tells it."""
    for key, value in _lines():
        if key == "model name":
            return value
    return platform.processor() or platform.machine()


def integer_dot_products():
    """Returns the instructions for 8-bit dot products that are there.

    They multiply four bytes at once, which is what makes int8 faster than
    float. `None` where the system does not tell.
    """
    for key, value in _lines():
        if key in ("flags", "Features"):
            flags = value.split()
            return [name for name in _INTEGER_DOT_PRODUCTS if name in flags]
    return None


def _lines():
    if not _INFORMATION.is_file():
        return
    for line in _INFORMATION.read_text().splitlines():
        key, _, value = line.partition(":")
        yield key.strip(), value.strip()


# They go from float to integers and back.
_CONVERSIONS = ("QUANTIZE", "DEQUANTIZE")


def float_notes(path, format, layers, unsimulated):
    """Returns sentences about what is in float in a file, and what is not.

    What a layer becomes differs from format to format: TFLite has integer
    kernels for transposed convolutions, maxima and PReLU, which no training
    here rounds, and none for a sum of three. So the file is asked.

    Args:
        path: The file that was written.
        format: "tflite" or "onnx".
        layers: Paths of all calls of the model.
        unsimulated: Paths of those that are computed in float in training.
    """
    if format != "tflite":
        # Between `DequantizeLinear` and `QuantizeLinear`, as in training.
        return _in_float(unsimulated)
    names = _float_operators(path)
    found = {name: _owner(name, layers) for _, name in names}
    in_float = list(dict.fromkeys(filter(None, found.values())))
    # Operations of `keras.ops` leave no name in the file.
    in_float += sorted({kind for kind, name in names if not found[name]})
    rounded = [path for path in unsimulated if path not in in_float]
    notes = _in_float(in_float)
    if rounded:
        notes.append(
            "In int8 in the file, though training did not round inside: "
            f"{', '.join(rounded)}."
        )
    return notes


def _in_float(names):
    return [f"In float: {', '.join(names)}."] if names else []


def _float_operators(path):
    graph = read_litert_graph(path)
    return [
        (operator.name, graph.tensors[operator.outputs[0]].name)
        for operator in graph.operators
        if operator.name not in _CONVERSIONS
        and graph.tensors[operator.outputs[0]].dtype.startswith("float")
    ]


def _owner(tensor, layers):
    """The layer whose name is in that of a tensor, as the exporter writes it.

    It numbers scopes anew: "backbone_1/stem_1/Relu" is of "backbone/stem".
    """
    names = {path.rpartition("/")[2]: path for path in layers}
    for part in tensor.split(";"):
        for scope in reversed(part.split("/")):
            for name in (re.sub(r"_\d+$", "", scope), scope):
                if name in names:
                    return names[name]
    return None
