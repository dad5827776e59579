"""Weights of four bits, against NumPy and in the runtimes."""

import re

import keras
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from keras import layers

from kerastl import export
from kerastl.export.describe_file import describe_file
from kerastl.export.quantization.four_bits import four_bit_copy
from kerastl.export.quantization.four_bits import has_four_bits
from kerastl.export.quantization.four_bits import pack_four_bits
from kerastl.export.targets.litert_graph import read_litert_graph
from kerastl.export.utils.model_bytes import model_bytes
from kerastl.surgery import copy_model

from .four_bit_files import FORMS
from .four_bit_files import constants
from .four_bit_files import noise
from .four_bit_files import with_drawn_kernels

pytestmark = pytest.mark.tensorflow_only


@pytest.fixture(scope="module")
def images():
    return noise()


@pytest.fixture(scope="module")
def network():
    keras.utils.set_random_seed(2)
    inputs = keras.Input((12, 12, 3))
    x = layers.Rescaling(1 / 127.5, offset=-1)(inputs)
    x = layers.Conv2D(8, 3, strides=2, padding="same", name="stem")(x)
    x = layers.ReLU(6.0)(x)
    x = layers.Conv2D(21, 1, use_bias=False, name="pointwise")(x)
    x = layers.BatchNormalization(name="norm")(x)
    x = layers.ReLU(6.0)(x)
    x = layers.Conv2D(16, 1, strides=2, name="strided")(x)
    x = layers.GlobalAveragePooling2D()(x)
    outputs = layers.Dense(5, activation="softmax", name="head")(x)
    model = with_drawn_kernels(keras.Model(inputs, outputs))
    norm = model.get_layer("norm")
    norm.gamma.assign(np.linspace(-1.5, 2.0, 21))
    norm.moving_mean.assign(np.linspace(-0.5, 0.5, 21))
    return model


@pytest.fixture(scope="module")
def files(network, images, tmp_path_factory):
    """One file a scheme, not refined."""
    folder = tmp_path_factory.mktemp("files")
    made = {}
    for scheme in ("int8", *FORMS):
        made[scheme] = folder / f"{scheme}.tflite"
        export.to_tflite(
            network, made[scheme], scheme, calibration=images, refine="none"
        )
    return made


def nearest(kernel):
    """Fifteen levels for each output channel, by hand."""
    kernel = np.asarray(kernel, "float64").reshape(-1, kernel.shape[-1])
    columns = []
    for column in kernel.T:
        step = np.abs(column).max() / 7
        columns.append(np.round(column / step) * step if step else column)
    return np.array(columns)


def test_which_kernels():
    kernels = {
        "dense": layers.Dense(4),
        "pointwise": layers.Conv2D(4, 1),
        "strided": layers.Conv2D(4, 1, strides=2),
        "grouped": layers.Conv2D(4, 1, groups=2),
        "wide": layers.Conv2D(4, 3),
        "depthwise": layers.DepthwiseConv2D(1),
        "transposed": layers.Conv2DTranspose(4, 1),
        "separable": layers.SeparableConv2D(4, 3, strides=2),
        "one output": layers.Dense(1),
        "one map": layers.Conv2D(1, 1),
    }
    for layer in kernels.values():
        layer.build((None, 6, 6, 4))
    for name, kind in (
        ("odd dense", layers.Dense(4)),
        ("odd pointwise", layers.Conv2D(4, 1)),
        ("odd separable", layers.SeparableConv2D(4, 3)),
    ):
        kernels[name] = kind
        kind.build((None, 6, 6, 3))
    chosen = {
        form: [
            name
            for name, layer in kernels.items()
            if has_four_bits(layer, form)
        ]
        for form in FORMS.values()
    }
    assert chosen == {
        "products": ["dense", "pointwise", "separable"],
        "convolutions": [
            "pointwise",
            "separable",
            "one map",
            "odd pointwise",
            "odd separable",
        ],
    }


def test_the_nearest_levels(network):
    network = copy_model(network)
    kernel = network.get_layer("pointwise").kernel
    values = keras.ops.convert_to_numpy(kernel).copy()
    values[..., 3] = 0.0
    values[0, 0, 2, 5] = 0.0
    kernel.assign(values)
    copy = four_bit_copy(network, "products")
    for name in ("pointwise", "head"):
        given = keras.ops.convert_to_numpy(network.get_layer(name).kernel)
        found = keras.ops.convert_to_numpy(copy.get_layer(name).kernel)
        rows = found.reshape(-1, found.shape[-1]).T
        np.testing.assert_allclose(rows, nearest(given), atol=1e-6)
        assert (found[given == 0] == 0).all()
    for name in ("stem", "strided"):
        np.testing.assert_array_equal(
            copy.get_layer(name).kernel, network.get_layer(name).kernel
        )
    again = four_bit_copy(copy, "products")
    for before, after in zip(copy.weights, again.weights, strict=True):
        np.testing.assert_allclose(after, before, rtol=1e-6)
    micro = four_bit_copy(network, "convolutions")
    np.testing.assert_array_equal(
        micro.get_layer("head").kernel, network.get_layer("head").kernel
    )


@pytest.mark.parametrize("scheme", FORMS)
def test_what_the_file_holds(scheme, files, network):
    """Normalization is folded in: its factor goes into the scales."""
    norm = network.get_layer("norm")
    factors = np.asarray(norm.gamma) / np.sqrt(
        np.asarray(norm.moving_variance) + norm.epsilon
    )
    expected = nearest(network.get_layer("pointwise").kernel)
    expected *= factors[:, None]
    four = schema.TensorType.INT4
    found = constants(files[scheme])
    packed = [values for _, kind, _, values in found if kind == four]
    np.testing.assert_allclose(packed[0], expected, rtol=1e-5, atol=1e-6)
    assert all(
        np.abs(levels).max() == 7
        for _, kind, levels, _ in found
        if kind == four
    )
    versions = {
        (code.builtinCode, code.version)
        for code, kind, *_ in found
        if kind == four
    }
    codes = schema.BuiltinOperator
    if scheme == "int4":
        assert len(packed) == 2
        head = nearest(network.get_layer("head").kernel)
        np.testing.assert_allclose(packed[1], head, rtol=1e-5, atol=1e-6)
        assert versions == {(codes.FULLY_CONNECTED, 10)}
    else:
        assert len(packed) == 1
        assert versions == {(codes.CONV_2D, 7)}
    assert {kind for _, kind, *_ in found} == {four, schema.TensorType.INT8}


@pytest.mark.parametrize("scheme", FORMS)
def test_answers_as_the_rounded_network(scheme, files, network, images):
    rounded = four_bit_copy(network, FORMS[scheme])
    expected = export.load(rounded).predict(images)
    answers = export.load(files[scheme]).predict(images)
    # What eight bits lose, of the same network.
    loss = np.abs(
        export.load(files["int8"]).predict(images)
        - export.load(network).predict(images)
    ).max()
    assert np.abs(answers - expected).max() < 2 * loss + 1 / 256
    other = export.load(network).predict(images)
    assert np.abs(answers - other).max() > 3 * np.abs(answers - expected).max()


def test_one_piece_on_a_phone_and_in_pieces_as_convolutions(files):
    report = export.check(files["int4"], "xnnpack")
    assert report.passed and report.partitions == 1
    assert "CONV_2D" not in report.outside
    other = export.check(files["int4_micro"], "xnnpack")
    assert not other.passed
    assert other.outside["CONV_2D"] == 1


def test_microcontrollers_read_convolutions_alone(files):
    assert export.check(files["int4_micro"], "tflite-micro").passed
    report = export.check(files["int4"], "tflite-micro")
    assert [row["operator"] for row in report.missing] == ["FULLY_CONNECTED"]
    assert "4-bit" in report.missing[0]["reason"]
    assert "one fits" in report.missing[0]["reason"]


@pytest.mark.parametrize("scheme", FORMS)
def test_accelerators_of_eight_bits_take_none(scheme, files):
    report = export.check(files[scheme], "full-int8")
    assert not report.passed
    [reason] = {row["reason"] for row in report.missing}
    assert reason == "it takes no 4-bit weights (use int8)"


def test_a_microcontroller_computes_the_same(files, images):
    micro = pytest.importorskip("tflite_micro.python.tflite_micro")
    interpreter = micro.runtime.Interpreter.from_file(str(files["int4_micro"]))
    expected = export.load(files["int4_micro"]).predict(images[:5])
    for image, wanted in zip(images[:5], expected, strict=True):
        levels = np.rint(image[None] - 128).astype("int8")
        interpreter.set_input(levels, 0)
        interpreter.invoke()
        given = (interpreter.get_output(0)[0].astype("float32") + 128) / 256
        np.testing.assert_allclose(given, wanted, atol=3 / 256)
    with pytest.raises(RuntimeError):
        micro.runtime.Interpreter.from_file(str(files["int4"]))


def test_the_report_says_how_many_weights_have_four_bits(
    network, images, tmp_path
):
    kernels = {
        layer.name: int(np.prod(layer.kernel.shape))
        for layer in network.layers
        if hasattr(layer, "kernel")
    }
    for scheme, four in (
        ("int4", ("pointwise", "head")),
        ("int4_micro", ("pointwise",)),
    ):
        report = export.to_tflite(
            network,
            tmp_path / f"{scheme}.tflite",
            scheme,
            calibration=images,
            refine="none",
        )
        told = re.search(r"(\d+)\s*%", report.notes[-1])[1]
        expected = sum(kernels[name] for name in four) / sum(kernels.values())
        assert int(told) == round(100 * expected)


def test_smaller_and_named(files):
    sizes = {name: path.stat().st_size for name, path in files.items()}
    assert sizes["int4"] < sizes["int8"]
    for scheme in FORMS:
        assert describe_file(files[scheme])["precision"] == "int4"
    counts = {
        name: describe_file(path)["multiply_adds"]
        for name, path in files.items()
    }
    assert len({*counts.values()}) == 1


def test_nothing_to_pack_leaves_what_it_computes(files, images, tmp_path):
    path = tmp_path / "copy.tflite"
    path.write_bytes(files["int8"].read_bytes())
    pack_four_bits(path, "products")
    np.testing.assert_array_equal(
        export.load(path).predict(images),
        export.load(files["int8"]).predict(images),
    )
    dtypes = {tensor.dtype for tensor in read_litert_graph(path).tensors}
    assert "int4" not in dtypes


def test_refinement_brings_it_nearer(network, images, files, tmp_path):
    """The bias takes out what coarse levels move every channel by."""
    report = export.to_tflite(
        network, tmp_path / "refined.tflite", "int4", calibration=images
    )
    assert report.refinement.kept
    truth = export.load(network).predict(images)
    plain = np.abs(export.load(files["int4"]).predict(images) - truth).mean()
    assert report.mean_abs_difference < 0.7 * plain
    four = schema.TensorType.INT4
    packed = [
        kind == four for _, kind, *_ in constants(tmp_path / "refined.tflite")
    ]
    assert packed.count(True) == 2


def test_what_others_read_stays(network, images, tmp_path):
    """The bias of a packed kernel, read by one of eight bits as well."""
    path = tmp_path / "both.tflite"
    rounded = four_bit_copy(network, "products")
    export.to_tflite(rounded, path, calibration=images, refine="none")
    file = schema.ModelT.InitFromPackedBuf(path.read_bytes(), 0)
    [graph] = file.subgraphs
    stem, pointwise, *_ = [
        operator for operator in graph.operators if len(operator.inputs) == 3
    ]
    stem.inputs = pointwise.inputs[[0, 1, 2]].copy()
    stem.inputs[:2] = 0, int(graph.operators[-1].inputs[0])
    bias = graph.tensors[pointwise.inputs[2]]
    levels = np.array(file.buffers[bias.buffer].data).view("int32")
    scales = np.array(bias.quantization.scale)
    path.write_bytes(model_bytes(file))
    pack_four_bits(path, "convolutions")
    file = schema.ModelT.InitFromPackedBuf(path.read_bytes(), 0)
    [graph] = file.subgraphs
    stem, pointwise, *_ = [
        operator for operator in graph.operators if len(operator.inputs) == 3
    ]
    kernel = graph.tensors[pointwise.inputs[1]]
    assert kernel.type == schema.TensorType.INT4
    kept, coarse = (
        graph.tensors[operator.inputs[2]] for operator in (stem, pointwise)
    )
    np.testing.assert_array_equal(kept.quantization.scale, scales)
    np.testing.assert_array_equal(
        np.array(file.buffers[kept.buffer].data).view("int32"), levels
    )
    coarser = np.array(file.buffers[coarse.buffer].data).view("int32")
    np.testing.assert_allclose(
        coarser * np.array(coarse.quantization.scale),
        levels * scales,
        atol=np.max(coarse.quantization.scale),
    )
    assert np.abs(coarser).max() < np.abs(levels).max() / 10
