"""The image classification network of MLPerf Tiny, held against its files.

github.com/mlcommons/tiny, benchmark/training/image_classification: the
published pretrainedResnet.tflite has 318,144 bytes and
pretrainedResnet_quant.tflite 98,496.

Layer for layer the network is the same: 9 convolutions and a dense layer of
77,360 weights and 346 biases after the BatchNormalization is folded, 3
additions, a softmax. Two things differ. The preset carries its preprocessing
(one MUL and one ADD, where the reference takes 0 to 255 as they are), and it
averages with one MEAN (AVERAGE_POOL_2D and RESHAPE in the reference). What
else is in the files, 20 of 98 kB, are quantization parameters and names.
"""

import keras
import numpy as np
import pytest

from kerastl import apps
from kerastl import export
from kerastl.export.package.metadata import Metadata
from kerastl.export.package.metadata import write_metadata
from kerastl.export.targets.check import check
from kerastl.export.targets.litert_graph import read_litert_graph

pytestmark = pytest.mark.tensorflow_only

PUBLISHED_FLOAT = 318_144
PUBLISHED_INT8 = 98_496
NAMES = "airplane automobile bird cat deer dog frog horse ship truck".split()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The network with statistics and biases as training leaves them.

    Fresh biases are all zero, and the converter stores equal ones once.
    """
    generator = np.random.default_rng(0)
    model = apps.ResNet8()
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            channels = layer.gamma.shape[0]
            spread = generator.normal(0, 0.3, (2, channels))
            scale = generator.uniform(0.5, 1.5, (2, channels))
            layer.set_weights([scale[0], *spread, scale[1]])
        elif layer.weights:
            kernel, bias = layer.get_weights()
            layer.set_weights([kernel, generator.normal(0, 0.1, bias.shape)])
    images = generator.uniform(0, 255, (100, 32, 32, 3)).astype("float32")
    folder = tmp_path_factory.mktemp("mlperf")
    export.to_tflite(model, folder / "float.tflite", "float32")
    # The benchmark's own operators: refined, one more is a convolution.
    export.to_tflite(
        model, folder / "int8.tflite", calibration=images, refine="none"
    )
    return folder


def test_the_sizes_are_the_published_ones(folder):
    size = (folder / "int8.tflite").stat().st_size
    assert size == pytest.approx(PUBLISHED_INT8, rel=0.05)
    assert size == pytest.approx(99_080, rel=0.005)
    size = (folder / "float.tflite").stat().st_size
    assert size == pytest.approx(PUBLISHED_FLOAT, rel=0.05)
    assert size == pytest.approx(321_996, rel=0.005)


def test_with_labels_the_int8_file_still_is(folder, tmp_path):
    path = tmp_path / "model.tflite"
    path.write_bytes((folder / "int8.tflite").read_bytes())
    write_metadata(path, Metadata(NAMES, metrics={"accuracy": 0.85}))
    assert path.stat().st_size == pytest.approx(PUBLISHED_INT8, rel=0.05)


def test_the_weights_are_those_of_the_reference(folder):
    graph = read_litert_graph(folder / "int8.tflite")
    kernels = biases = 0
    for operator in graph.operators:
        if operator.name in ("CONV_2D", "FULLY_CONNECTED"):
            kernel, bias = (
                graph.tensors[index] for index in operator.inputs[1:]
            )
            assert (kernel.dtype, bias.dtype) == ("int8", "int32")
            kernels += kernel.elements
            biases += bias.elements
    assert (kernels, biases) == (77_360, 346)


def test_a_microcontroller_runs_it_in_integers(folder):
    for target in ("tflite-micro", "full-int8", "xnnpack"):
        report = check(folder / "int8.tflite", target)
        assert report.passed, str(report)
    assert report.operators == {
        "ADD": 4,
        "CONV_2D": 9,
        "FULLY_CONNECTED": 1,
        "MEAN": 1,
        "MUL": 1,
        "SOFTMAX": 1,
    }
    assert report.types == {"int8": 17}
    # Three maps of 32 x 32 x 16 bytes: the first block's addition.
    assert report.activation_bytes == 3 * 32 * 32 * 16
    assert report.multiply_adds == 12_501_632


def test_tflite_micro_itself_runs_it(folder):
    micro = pytest.importorskip(
        "tflite_micro.python.tflite_micro.runtime",
        reason="needs the package tflite-micro (Linux on x86-64)",
    )
    path = folder / "int8.tflite"
    interpreter = micro.Interpreter.from_file(
        str(path), arena_size=check(path, "tflite-micro").arena_bytes
    )
    images = np.random.default_rng(1).integers(0, 256, (5, 32, 32, 3))
    runner = export.load(path)
    for image, expected in zip(images, runner.predict(images), strict=True):
        interpreter.set_input((image[None] - 128).astype("int8"), 0)
        interpreter.invoke()
        output = (interpreter.get_output(0)[0] + 128.0) / 256
        # Another runtime rounds differently in each of 17 operators.
        np.testing.assert_allclose(output, expected, atol=8 / 256)
        assert output.argmax() == expected.argmax()
