"""Kernels that share what they hold, or that four bits do not fit."""

import keras
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from keras import layers

from kerastl import export
from kerastl.export.quantization.four_bits import four_bit_copy

from .four_bit_files import FORMS
from .four_bit_files import constants
from .four_bit_files import noise
from .four_bit_files import with_drawn_kernels

pytestmark = pytest.mark.tensorflow_only


@pytest.fixture(scope="module")
def images():
    return noise()


def small(middle, outputs=3):
    """A network with a map of 8 channels in the middle, its biases zeros."""
    keras.utils.set_random_seed(5)
    inputs = keras.Input((12, 12, 3))
    x = layers.Conv2D(8, 3, strides=2, padding="same")(inputs)
    x = layers.GlobalAveragePooling2D()(middle(x))
    return with_drawn_kernels(
        keras.Model(inputs, layers.Dense(outputs, name="head")(x))
    )


def export_and_compare(model, scheme, images, path):
    """Writes a file, and says which of its kernels have four bits."""
    export.to_tflite(model, path, scheme, calibration=images, refine="none")
    rounded = four_bit_copy(model, FORMS[scheme])
    expected = export.load(rounded).predict(images)
    answers = export.load(path).predict(images)
    scale = np.abs(expected).max()
    assert np.abs(answers - expected).max() < 0.1 * scale
    four = schema.TensorType.INT4
    return [kind == four for _, kind, *_ in constants(path)]


@pytest.mark.parametrize("scheme", FORMS)
def test_a_layer_that_is_called_twice_is_packed_once(scheme, images, tmp_path):
    shared = layers.Conv2D(8, 1, activation="relu", name="shared")
    model = small(lambda x: shared(shared(x)))
    path = tmp_path / "shared.tflite"
    packed = export_and_compare(model, scheme, images, path)
    assert packed == [False, True, True, scheme == "int4"]
    file = schema.ModelT.InitFromPackedBuf(path.read_bytes(), 0)
    kernels = {
        tensor.buffer
        for tensor in file.subgraphs[0].tensors
        if tensor.type == schema.TensorType.INT4 and tensor.shape[0] == 8
    }
    [kernel] = kernels
    assert len(file.buffers[kernel].data) == 32


@pytest.mark.parametrize("scheme", FORMS)
def test_what_the_converter_stores_once(scheme, images, tmp_path):
    """Biases of zeros, equal kernels, and zeros that are either."""
    model = small(
        lambda x: layers.Conv2D(4, 1, name="zeros")(
            layers.Conv2D(8, 1, name="second")(
                layers.Conv2D(8, 1, name="first", activation="relu")(x)
            )
        ),
    )
    first, second = model.get_layer("first"), model.get_layer("second")
    second.set_weights(first.get_weights())
    zeros = model.get_layer("zeros")
    zeros.kernel.assign(np.zeros(zeros.kernel.shape))
    zeros.bias.assign([0.5, -0.5, 1.0, 2.0])
    packed = export_and_compare(
        model, scheme, images, tmp_path / "equal.tflite"
    )
    assert packed == [False, True, True, True, scheme == "int4"]


@pytest.mark.parametrize("scheme", FORMS)
def test_a_grouped_convolution_of_few_levels(scheme, images, tmp_path):
    """Its weights would fit, but it is no product of all channels."""
    model = small(layers.Conv2D(8, 1, groups=2, name="grouped"))
    grouped = model.get_layer("grouped")
    grouped.kernel.assign(np.sign(grouped.kernel))
    packed = export_and_compare(
        model, scheme, images, tmp_path / "grouped.tflite"
    )
    assert packed == [False, False, scheme == "int4"]


def test_rows_that_end_within_a_byte_do_not_split_the_graph(images, tmp_path):
    model = small(layers.Conv2D(7, 1, activation="relu", name="odd"))
    path = tmp_path / "odd.tflite"
    packed = export_and_compare(model, "int4", images, path)
    assert packed == [False, True, False]
    assert export.check(path, "xnnpack").passed


def test_tensorflow_runs_one_output(images, tmp_path):
    import tensorflow as tf

    model = small(layers.Conv2D(8, 1, activation="relu"), outputs=1)
    path = tmp_path / "one.tflite"
    packed = export_and_compare(model, "int4", images, path)
    assert packed == [False, True, False]
    tf.lite.Interpreter(model_path=str(path)).allocate_tensors()


def test_the_end_of_a_separable_convolution(images, tmp_path):
    """Refined or not: refinement takes it apart."""
    model = small(layers.SeparableConv2D(8, 3, activation="relu"))
    for refine in ("none", "auto"):
        path = tmp_path / f"{refine}.tflite"
        export.to_tflite(model, path, "int4", calibration=images, refine=refine)
        kinds = [kind for _, kind, *_ in constants(path)]
        assert kinds.count(schema.TensorType.INT4) == 2
