"""Whether int8 files gain by other ranges of activations, or by AdaRound.

    python tests/benchmarks/activation_ranges.py CLOTHING SIGNS W_035 W_025

writes `activation_ranges.json` beside this file. Networks, calibration images
and the photos that judge are those of `refined_int8.py`, whose work folder is
used. The weights of each are refined as an export does it. Behind them the
range of every activation is what a file has of its own, from the least to the
greatest value of the calibration images; the range whose levels have the least
mean square error on the values of 80 of them (MSE), each end shortened in steps
of 2.5 %; or all but the rarest values. With AdaRound the kernels are rounded by
it in place of GPTQ, from the same moments of what they read: the objective of
its paper without the activation function, which makes it the one that GPTQ
solves step by step.

Reference:
    Nagel et al., "Up or Down? Adaptive Rounding for Post-Training
    Quantization", ICML 2020, equations 21 to 25.
"""

import argparse
import dataclasses
import functools
import json
import os
import pathlib
import tempfile
import time
from unittest import mock

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import flatbuffers
import int8_peers
import numpy as np
import onnx
import onnxruntime
import refined_int8
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter
from photo_rows import run_missing
from tensorflow.lite.python import schema_py_generated as schema
from tensorflow.lite.python.convert import mlir_quantize

from kerastl.export.conversion import onnx_steps
from kerastl.export.diagnosis.float_variants import OnnxVariants
from kerastl.export.diagnosis.float_variants import TFLiteVariants
from kerastl.export.quantization.exact_blurs import exact_tflite_blurs
from kerastl.export.refinement import refine as refine_module
from kerastl.export.refinement.kernel_rounding import calibrated_rounding
from kerastl.export.refinement.write_refined import AUTO
from kerastl.export.runners.inference_model import lower
from kerastl.export.utils.third_party import quiet_console

RESULTS = pathlib.Path(__file__).with_suffix(".json")
NAME = "probabilities"
#: Of each image so many values of a tensor are looked at.
NUM_VALUES = 4000
SHARES = np.linspace(1.0, 0.3, 29)
ITERATIONS, RATE, WARM_UP, STRENGTH = 1500, 0.02, 0.2, 0.01
STRETCH = -0.1, 1.1


def rounded(values, low, high):
    """Values on 256 levels, of which zero is one."""
    scale = (high - low) / 255 or 1.0
    zero = round(-low / scale)
    return (np.clip(np.rint(values / scale) + zero, 0, 255) - zero) * scale


def least_error(low, high, values):
    """The range of least mean square error, one end after the other."""

    def error(below, above):
        found = rounded(values, below * low, above * high)
        return np.mean(np.square(values - found))

    below = above = 1.0
    for _ in range(2):
        above = min(SHARES, key=lambda share: error(below, share))
        if low < 0:
            below = min(SHARES, key=lambda share: error(share, above))
    return below * low, above * high


def without_rarest(percent, low, high, values):
    ends = np.percentile(values, [100 - percent, percent])
    return max(low, min(ends[0], 0.0)), min(high, max(ends[1], 0.0))


RANGES = {
    "min/max": None,
    "MSE": least_error,
    "99.99 %": functools.partial(without_rarest, 99.99),
    "99.9 %": functools.partial(without_rarest, 99.9),
}


def adaround(levels, moments, fixed, largest=127):
    """In the place of `calibrated_rounding`, with the same arguments.

    Adam on how far each weight goes up, all kernels of a layer at once; the
    error counts in units of what rounding to the nearest level costs.
    """
    down = np.floor(levels)
    wanted = (levels - down).astype("float32")
    moments = moments.astype("float32")
    nearest = levels - np.rint(levels)
    unit = np.einsum(
        "goi,gij,goj->go", nearest, moments, nearest, optimize=True
    )
    unit = np.where(unit > 0, unit, 1.0).astype("float32")[..., None]
    start, end = STRETCH
    share = np.clip((wanted - start) / (end - start), 1e-4, 1 - 1e-4)
    logits = np.log(share / (1 - share))
    first, second = np.zeros_like(logits), np.zeros_like(logits)
    for step in range(ITERATIONS):
        gate = 1 / (1 + np.exp(-logits))
        raw = gate * (end - start) + start
        up = np.clip(raw, 0, 1)
        slope = 2 * (up - wanted) @ moments / unit
        done = (step / ITERATIONS - WARM_UP) / (1 - WARM_UP)
        if done > 0:
            power = 20 - 18 * done
            side = 2 * up - 1
            slope -= (
                2 * STRENGTH * power * np.sign(side)
                * np.abs(side) ** (power - 1)
            )  # fmt: skip
        slope *= ((raw > 0) & (raw < 1) & ~fixed) * gate * (1 - gate)
        slope *= end - start
        first += 0.1 * (slope - first)
        second += 0.001 * (np.square(slope) - second)
        logits -= (
            RATE * first / (1 - 0.9 ** (step + 1))
            / (np.sqrt(second / (1 - 0.999 ** (step + 1))) + 1e-8)
        )  # fmt: skip
    up = np.clip((end - start) / (1 + np.exp(-logits)) + start, 0, 1)
    chosen = np.where(fixed, np.rint(levels), down + (up >= 0.5))
    return np.clip(chosen, -largest, largest)


class TFLiteFile(TFLiteVariants):
    """A calibrated float file, of which int8 files with any ranges come."""

    def __init__(self, lowered, images, fit, per_channel):
        super().__init__(lowered, NAME, images)
        self._fit, self._per_channel = fit, per_channel

    def _read(self):
        content = bytearray(self._calibrated)
        model = schema.ModelT.InitFromPackedBuf(content, 0)
        return model, model.subgraphs[0]

    @functools.cached_property
    def values(self):
        """For each activation its ends and some of its values."""
        _, graph = self._read()
        made = [n for op in graph.operators for n in op.outputs]
        numbers = [
            n for n in made if graph.tensors[n].quantization.max is not None
        ]
        runner = Interpreter(
            model_content=self._calibrated,
            experimental_preserve_all_tensors=True,
        )
        runner.allocate_tensors()
        [place] = (each["index"] for each in runner.get_input_details())

        def run(image):
            runner.set_tensor(place, image[None])
            runner.invoke()
            return (runner.get_tensor(number) for number in numbers)

        return look_at(numbers, map(run, self._fit))

    def write(self, path, choose):
        model, graph = self._read()
        for number, found in self.values.items() if choose else ():
            quantization = graph.tensors[number].quantization
            low, high = choose(*found)
            quantization.min, quantization.max = [float(low)], [float(high)]
        builder = flatbuffers.Builder(len(self._calibrated))
        builder.Finish(model.Pack(builder), b"TFL3")
        with quiet_console():
            content = mlir_quantize(
                bytes(builder.Output()),
                fully_quantize=True,
                input_data_type=tf.int8,
                output_data_type=tf.int8,
                disable_per_channel=not self._per_channel,
            )
        path.write_bytes(content)
        exact_tflite_blurs(path)


class OnnxFile(OnnxVariants):
    """The same of ONNX Runtime."""

    def __init__(self, lowered, images, fit):
        super().__init__(lowered, NAME, images)
        self._fit = fit

    @functools.cached_property
    def values(self):
        model = onnx.load(self._float)
        graph = model.graph
        names = [name for node in graph.node for name in node.output]
        names = [each for each in names if each in self._own()["data"]]
        ends = {output.name for output in graph.output}
        graph.output.extend(
            onnx.ValueInfoProto(name=each) for each in names if each not in ends
        )
        session = onnxruntime.InferenceSession(model.SerializeToString())
        return look_at(
            names,
            (session.run(names, {"image": each[None]}) for each in self._fit),
        )

    def _own(self):
        return json.loads(self._ranges.read_text())

    def write(self, path, choose):
        arguments = self._float, path, self._images
        with quiet_console():
            onnx_steps.quantize_onnx(*arguments, ranges=self._ranges)
            if choose is not None:
                ranges = self._own()
                for name, found in self.values.items():
                    low, high = choose(*found)
                    ranges["data"][name] |= {
                        "lowest": float(low),
                        "highest": float(high),
                    }
                changed = self._ranges.with_name("changed.json")
                changed.write_text(json.dumps(ranges))
                onnx_steps.quantize_onnx(*arguments, ranges=changed)
            onnx_steps.tidy_onnx(path)


def look_at(names, runs):
    """Ends and some values of tensors, over all images."""
    generator = np.random.default_rng(0)
    found = {name: (0.0, 0.0, []) for name in names}
    for tensors in runs:
        for name, tensor in zip(names, tensors, strict=True):
            values = tensor.ravel()
            low, high, parts = found[name]
            low = min(low, float(values.min()))
            high = max(high, float(values.max()))
            if values.size > NUM_VALUES:
                places = generator.integers(0, values.size, NUM_VALUES)
                values = values[places]
            found[name] = low, high, [*parts, values]
    return {
        name: (low, high, np.concatenate(parts))
        for name, (low, high, parts) in found.items()
    }


#: Format and scheme, and what is tried on it.
FILES = {
    ("tflite", "int8"): [*RANGES, "AdaRound"],
    ("onnx", "int8"): [*RANGES],
    ("tflite", "int8_per_tensor"): [*RANGES],
}


def load(options, network, seed):
    model, images, photos = int8_peers.load(options, network, seed)
    # As an export splits them, which keeps some to judge.
    held = images[4::5]
    return lower(model), images, np.delete(images, np.s_[4::5], 0), held, photos


def refined(load, network, seed, format, scheme, rounding):
    """A file that takes ranges, and the processor's time of refining."""
    lowered, images, fit, held, _ = load(network, seed)
    per_channel = scheme == "int8"
    start = time.process_time()
    with mock.patch.object(refine_module, "calibrated_rounding", rounding):
        model, records, _ = refine_module.refine(
            lowered.model, fit, held, AUTO, per_channel=per_channel
        )
    seconds = time.process_time() - start
    lowered = dataclasses.replace(lowered, model=model)
    if format == "onnx":
        return OnnxFile(lowered, images, fit), seconds
    return TFLiteFile(lowered, images, fit, per_channel), seconds


def measure(load, refined, network, seed, format, scheme, choice):
    rounding = adaround if choice == "AdaRound" else calibrated_rounding
    file, seconds = refined(network, seed, format, scheme, rounding)
    *_, photos = load(network, seed)
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / f"model.{format}"
        file.write(path, RANGES.get(choice))
        return {
            **refined_int8.judge_file(path, photos),
            "refining_seconds": round(seconds, 1),
        }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    refined_int8.add_folders(parser)
    options = parser.parse_args()
    kept = functools.lru_cache(maxsize=1)(functools.partial(load, options))
    files = functools.lru_cache(maxsize=1)(functools.partial(refined, kept))
    run_missing(
        RESULTS,
        [
            {
                "network": network,
                "seed": seed,
                "format": format,
                "scheme": scheme,
                "choice": choice,
            }
            for network in options.networks
            for seed in range(refined_int8.NETWORKS[network].seeds)
            for (format, scheme), choices in FILES.items()
            for choice in choices
        ],
        lambda cell: measure(kept, files, **cell),
    )


if __name__ == "__main__":
    main()
