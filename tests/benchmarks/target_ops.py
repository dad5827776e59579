"""Finds out which operators the targets have, and writes their tables.

One small graph an operator and dtype is converted and run in TensorFlow Lite
Micro, and loaded into LiteRT to see whether XNNPACK takes it. Nothing is
timed. Needs the package tflite-micro (Linux on x86-64).

    python tests/benchmarks/target_ops.py
"""

import datetime
import importlib.metadata
import json
import pathlib
import tempfile

import numpy as np
import tensorflow as tf
from tflite_micro.python.tflite_micro import runtime

from kerastl.export.quantization.four_bits import pack_four_bits
from kerastl.export.targets.check import find_delegated
from kerastl.export.targets.litert_graph import read_litert_graph
from kerastl.export.utils.third_party import quiet_console

TABLES = pathlib.Path(__file__).parents[2] / "export" / "targets"
SHAPE = (1, 8, 8, 4)
TYPES = ("float32", "int8", "int16")
# Of the input and the output, which operators turn into int8 and back.
BORDERS = {"QUANTIZE": ("uint8",)}
GENERATOR = np.random.default_rng(0)
KERNEL = GENERATOR.normal(size=(3, 3, 4, 4)).astype("float32")
DEPTHWISE = KERNEL[..., :1]
MATRIX = GENERATOR.normal(size=(256, 5)).astype("float32")
CHANNELS = np.array([0.1, 0.2, 0.3, 0.4], "float32")
BORDER = [[0, 0], [1, 1], [1, 1], [0, 0]]
IMAGES = [GENERATOR.normal(0, 3, SHAPE).astype("float32") for _ in range(4)]

# Every one of TensorFlow Lite Micro's python_ops_resolver.cc that may come
# out of a Keras network for images, and what a converter makes it of.
GRAPHS = {
    "ABS": tf.abs,
    "ADD": lambda x: x + x,
    "ARG_MAX": lambda x: tf.argmax(x, -1, output_type=tf.int32),
    "AVERAGE_POOL_2D": lambda x: tf.nn.avg_pool2d(x, 2, 2, "SAME"),
    "BROADCAST_TO": lambda x: tf.broadcast_to(x[:, :1], SHAPE),
    "CONCATENATION": lambda x: tf.concat([x, x], -1),
    "CONV_2D": lambda x: tf.nn.conv2d(x, KERNEL, 1, "SAME"),
    "CUMSUM": lambda x: tf.cumsum(x, 1),
    "DEPTHWISE_CONV_2D": lambda x: tf.nn.depthwise_conv2d(
        x, DEPTHWISE, (1, 1, 1, 1), "SAME"
    ),
    "DEPTH_TO_SPACE": lambda x: tf.nn.depth_to_space(x, 2),
    "DIV": lambda x: x / (x + 9.0),
    "ELU": tf.nn.elu,
    "EXP": tf.exp,
    "FULLY_CONNECTED": lambda x: tf.reshape(x, (1, 256)) @ MATRIX,
    "GATHER": lambda x: tf.gather(x, [0, 2], axis=-1),
    "GELU": tf.nn.gelu,
    "HARD_SWISH": lambda x: x * tf.nn.relu6(x + 3.0) * (1 / 6),
    "L2_NORMALIZATION": lambda x: tf.math.l2_normalize(x, -1),
    "LEAKY_RELU": tf.nn.leaky_relu,
    "LOGISTIC": tf.sigmoid,
    "LOG_SOFTMAX": tf.nn.log_softmax,
    "MAXIMUM": lambda x: tf.maximum(x, CHANNELS),
    "MAX_POOL_2D": lambda x: tf.nn.max_pool2d(x, 2, 2, "SAME"),
    "MEAN": lambda x: tf.reduce_mean(x, (1, 2)),
    "MINIMUM": lambda x: tf.minimum(x, CHANNELS),
    "MIRROR_PAD": lambda x: tf.pad(x, BORDER, "REFLECT"),
    "MUL": lambda x: x * x,
    "NEG": tf.negative,
    "PACK": lambda x: tf.stack([x, x], 1),
    "PAD": lambda x: tf.pad(x, BORDER),
    "PADV2": lambda x: tf.pad(x, BORDER, constant_values=1.0),
    "PRELU": lambda x: tf.nn.relu(x) + CHANNELS * -tf.nn.relu(-x),
    # A sigmoid has a scale of its own, which has to be brought to x's.
    "QUANTIZE": lambda x: tf.concat([x, tf.sigmoid(x)], -1),
    "REDUCE_MAX": lambda x: tf.reduce_max(x, (1, 2)),
    "REDUCE_MIN": lambda x: tf.reduce_min(x, (1, 2)),
    "RELU": tf.nn.relu,
    "RELU6": tf.nn.relu6,
    "RELU_N1_TO_1": lambda x: tf.clip_by_value(x, -1.0, 1.0),
    "RESHAPE": lambda x: tf.reshape(x, (1, 64, 4)),
    "RESIZE_BILINEAR": lambda x: tf.image.resize(x, (16, 16)),
    "RESIZE_NEAREST_NEIGHBOR": lambda x: tf.image.resize(
        x, (16, 16), "nearest"
    ),
    "RSQRT": lambda x: tf.math.rsqrt(tf.abs(x) + 1.0),
    "SLICE": lambda x: tf.slice(x, (0, 1, 1, 0), (1, 3, 3, 4)),
    "SOFTMAX": tf.nn.softmax,
    "SPACE_TO_DEPTH": lambda x: tf.nn.space_to_depth(x, 2),
    "SPLIT": lambda x: tf.concat(tf.split(x, 2, -1)[::-1], -1),
    "SQRT": lambda x: tf.sqrt(tf.abs(x)),
    "SQUARE": tf.square,
    "SQUARED_DIFFERENCE": lambda x: tf.math.squared_difference(x, CHANNELS),
    "STRIDED_SLICE": lambda x: x[:, ::2, ::2],
    "SUB": lambda x: x - tf.nn.relu(x),
    "SUM": lambda x: tf.reduce_sum(x, (1, 2)),
    "TANH": tf.tanh,
    "TRANSPOSE": lambda x: tf.transpose(x, (0, 2, 1, 3)),
    "TRANSPOSE_CONV": lambda x: tf.nn.conv2d_transpose(
        x, KERNEL, (1, 16, 16, 4), 2
    ),
    "UNPACK": lambda x: sum(tf.unstack(x, axis=1)),
}
# Kernels whose every weight four bits hold, and what becomes of them.
FOUR_BITS = {"CONV_2D": "convolutions", "FULLY_CONNECTED": "products"}
POINTWISE = np.rint(GENERATOR.uniform(-7, 7, (1, 1, 4, 4))).astype("float32")
POINTWISE[0, 0, 0] = 7.0
# The graphs above hold these as well.
ALSO = ("DEQUANTIZE", "QUANTIZE")
# Methods of MicroMutableOpResolver whose names are not the operator's.
METHODS = {
    "AVERAGE_POOL_2D": "AddAveragePool2D",
    "CONV_2D": "AddConv2D",
    "CUMSUM": "AddCumSum",
    "DEPTHWISE_CONV_2D": "AddDepthwiseConv2D",
    "L2_NORMALIZATION": "AddL2Normalization",
    "MAX_POOL_2D": "AddMaxPool2D",
    "PADV2": "AddPadV2",
}


def convert(graph, dtype):
    function = tf.function(graph, input_signature=[tf.TensorSpec(SHAPE)])
    converter = tf.lite.TFLiteConverter.from_concrete_functions(
        [function.get_concrete_function()]
    )
    if dtype != "float32":
        ops = tf.lite.OpsSet
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: ([each] for each in IMAGES)
        converter.target_spec.supported_ops = [
            ops.TFLITE_BUILTINS_INT8
            if dtype != "int16"
            else ops.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
        ]
    if dtype == "uint8":
        converter.inference_input_type = tf.uint8
        converter.inference_output_type = tf.uint8
    return converter.convert()


def runs_in_micro(content):
    try:
        interpreter = runtime.Interpreter.from_bytes(
            content, arena_size=200_000
        )
        dtype = interpreter.get_input_details(0)["dtype"]
        interpreter.set_input(IMAGES[0].astype(dtype), 0)
        interpreter.invoke()
    except RuntimeError:
        return False
    return True


def try_all():
    """Returns, for both runtimes, what ran: operator to set of dtypes."""
    micro, delegated = ({name: set() for name in GRAPHS} for _ in range(2))
    for name in ALSO:
        micro[name], delegated[name] = set(), set()
    path = pathlib.Path(tempfile.mkdtemp()) / "model.tflite"
    for name, make in GRAPHS.items():
        for dtype in (*TYPES, *BORDERS.get(name, ())):
            try:
                with quiet_console():
                    content = convert(make, dtype)
                path.write_bytes(content)
                graph = read_litert_graph(path)
            except (RuntimeError, ValueError, SystemError):
                continue  # the converter or the runtime has no such kernel
            with quiet_console():
                runs = runs_in_micro(content)
            _, inside = find_delegated(path, graph)
            for position, operator in enumerate(graph.operators):
                if operator.name not in (name, *ALSO):
                    continue
                found = graph.operator_type(operator)
                if runs:
                    micro[operator.name].add(found)
                if position in inside:
                    delegated[operator.name].add(found)
    return micro, delegated


def try_four_bits():
    """Returns, for both runtimes, the operators that read such weights."""
    micro, delegated = set(), set()
    path = pathlib.Path(tempfile.mkdtemp()) / "model.tflite"
    for name, form in FOUR_BITS.items():
        with quiet_console():
            path.write_bytes(
                convert(lambda x: tf.nn.conv2d(x, POINTWISE, 1, "SAME"), "int8")
            )
        pack_four_bits(path, form)
        with quiet_console():
            runs = runs_in_micro(path.read_bytes())
        if runs:
            micro.add(name)
        graph = read_litert_graph(path)
        _, inside = find_delegated(path, graph)
        names = [operator.name for operator in graph.operators]
        if names.index(name) in inside:
            delegated.add(name)
    return micro, delegated


def write_table(name, title, sources, hybrid, rows):
    date = datetime.date.today().isoformat()
    head = {
        "title": title,
        "sources": [{"what": source, "date": date} for source in sources],
        "hybrid": hybrid,
    }
    text = json.dumps(head, indent=2)[:-2]
    lines = ",\n".join(
        f"    {json.dumps(name)}: {json.dumps(row)}"
        for name, row in sorted(rows.items())
    )
    (TABLES / name).write_text(
        f'{text},\n  "operators": {{\n{lines}\n  }}\n}}\n', encoding="utf-8"
    )


def method(name):
    words = "".join(word.capitalize() for word in name.split("_"))
    return METHODS.get(name, f"Add{words}")


def main():
    micro, delegated = try_all()
    four_bits = try_four_bits()
    package = importlib.metadata.version("tflite-micro")
    rows = {
        name: {"add": method(name), "types": sorted(types)}
        for name, types in micro.items()
        if types
    }
    rows["CONCATENATION"]["max_inputs"] = 10
    for name in four_bits[0]:
        rows[name]["four_bits"] = True
    write_table(
        "tflite_micro.json",
        "microcontrollers with TensorFlow Lite Micro",
        [
            f"One graph an operator and dtype, run in tflite-micro {package} "
            "(github.com/tensorflow/tflite-micro, reference kernels)",
            "github.com/tensorflow/tflite-micro "
            "python/tflite_micro/python_ops_resolver.cc at 03e16b2, "
            "tensorflow/lite/micro/kernels/concatenation.cc",
        ],
        False,
        rows,
    )
    package = importlib.metadata.version("ai-edge-litert")
    write_table(
        "xnnpack.json",
        "phones, single-board computers and PCs with LiteRT",
        [
            f"One graph an operator and dtype, loaded into ai-edge-litert "
            f"{package} on x86-64",
            "github.com/google-ai-edge/LiteRT "
            "tflite/delegates/xnnpack/README.md at 3a653aa",
        ],
        True,
        {
            name: {"types": sorted(types)}
            | ({"four_bits": True} if name in four_bits[1] else {})
            for name, types in delegated.items()
            if types
        },
    )


if __name__ == "__main__":
    main()
