"""Pruning and clustering through training with rounding, to the file."""

import os

import keras
import numpy as np
import onnx
import pytest
from keras import layers
from onnx import numpy_helper

import kerastl
from kerastl import export
from kerastl.callbacks import KeepClusters
from kerastl.callbacks import KeepZeros
from kerastl.export.runners.inference_model import describe_compression
from kerastl.export.targets.litert_graph import read_litert_graph
from kerastl.surgery.find_kernels import find_kernels

pytestmark = pytest.mark.tensorflow_only

SIZE = 24
NUM_CLUSTERS = 8


@pytest.fixture(scope="module")
def trained(calibration):
    keras.utils.set_random_seed(0)
    inputs = keras.Input((SIZE, SIZE, 3))
    x = layers.Rescaling(1 / 127.5, offset=-1)(inputs)
    x = layers.Conv2D(16, 3, strides=2, padding="same", name="stem")(x)
    x = layers.BatchNormalization(momentum=0.8)(x)
    x = layers.ReLU(6.0)(x)
    x = layers.DepthwiseConv2D(3, padding="same", name="depthwise")(x)
    x = layers.BatchNormalization(momentum=0.8)(x)
    x = shortcut = layers.ReLU(6.0)(x)
    x = layers.Conv2D(48, 1, activation="relu", name="expand")(x)
    x = layers.Conv2D(16, 3, padding="same", name="project")(x)
    x = layers.BatchNormalization(momentum=0.8)(x)
    x = layers.Add()([x, shortcut])
    x = layers.SeparableConv2D(
        32, 3, strides=2, padding="same", activation="relu", name="separable"
    )(x)
    x = layers.GlobalAveragePooling2D()(x)
    outputs = layers.Dense(4, activation="softmax", name="head")(x)
    model = keras.Model(inputs, outputs)
    _train(model, calibration, epochs=6, rate=0.01)
    return model


def _train(model, data, *callbacks, epochs=2, rate=1e-3):
    model.compile(
        keras.optimizers.Adam(rate),
        "sparse_categorical_crossentropy",
        jit_compile=False,
    )
    model.fit(
        *data, epochs=epochs, batch_size=16, verbose=0, callbacks=callbacks
    )


def _aware(model, data, callback, **kwargs):
    aware = export.quantization_aware(model, **kwargs)
    _train(aware, data, callback)
    return aware


def _int8_kernels(path):
    """The int8 weights of a .tflite file, by shape."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(path))
    kernels = {}
    for tensor in interpreter.get_tensor_details():
        constant = tensor["dtype"] == np.int8 and len(tensor["shape"]) in (2, 4)
        if not constant:
            continue
        try:
            value = interpreter.get_tensor(tensor["index"])
        except ValueError:  # an activation
            continue
        kernels[tuple(int(n) for n in tensor["shape"])] = value
    return kernels


SHAPES = {
    "stem": (16, 3, 3, 3),
    "expand": (48, 1, 1, 16),
    "project": (16, 3, 3, 48),
    "separable": (32, 1, 1, 16),
    "head": (4, 32),
}


@pytest.fixture(scope="module")
def exported(trained, calibration, evaluation, tmp_path_factory):
    folder = tmp_path_factory.mktemp("compressed")
    pruned = kerastl.surgery.prune_weights(trained, 0.6)
    clustered = kerastl.surgery.cluster_weights(
        trained, NUM_CLUSTERS, depthwise=True
    )
    both = kerastl.surgery.cluster_weights(
        pruned, NUM_CLUSTERS, keep_zeros=True
    )
    plain = export.quantization_aware(trained)
    _train(plain, calibration)
    models = {
        "plain": plain,
        "pruned": _aware(pruned, calibration, KeepZeros()),
        "clustered": _aware(
            clustered, calibration, KeepClusters(), per_channel=False
        ),
        "both": _aware(both, calibration, KeepClusters(), per_channel=False),
    }
    reports = {
        name: export.to_tflite(
            model, folder / f"{name}.tflite", evaluation=evaluation
        )
        for name, model in models.items()
    }
    return models, reports


def test_zeros_stay_zero_in_the_file(exported):
    models, reports = exported
    kernels = _int8_kernels(reports["pruned"].path)
    for name, shape in SHAPES.items():
        zeros = np.mean(kernels[shape] == 0)
        assert zeros >= 0.6 - 0.5 / np.prod(shape), name
        assert zeros < 0.9, name
    assert any("60 % of the weights" in n for n in reports["pruned"].notes)


@pytest.mark.parametrize("name", ["clustered", "both"])
def test_few_integers_in_the_file(exported, name):
    _, reports = exported
    kernels = _int8_kernels(reports[name].path)
    assert kernels.keys() >= set(SHAPES.values())
    for layer, shape in SHAPES.items():
        assert len(np.unique(kernels[shape])) <= NUM_CLUSTERS, layer
    if name == "clustered":
        number = len(np.unique(kernels[1, 3, 3, 16]))
        assert NUM_CLUSTERS // 2 < number <= NUM_CLUSTERS
    note = f"at most {NUM_CLUSTERS} values"
    assert any(note in each for each in reports[name].notes)


def test_both_at_once_keeps_the_zeros(exported):
    _, reports = exported
    kernels = _int8_kernels(reports["both"].path)
    for shape in SHAPES.values():
        assert np.mean(kernels[shape] == 0) >= 0.6 - 0.5 / np.prod(shape)


def test_few_integers_in_the_onnx_file(exported, evaluation, tmp_path):
    models, _ = exported
    path = tmp_path / "both.onnx"
    report = export.to_onnx(models["both"], path, evaluation=evaluation)
    assert report.top1_agreement >= 0.99
    kernels = [
        numpy_helper.to_array(each)
        for each in onnx.load(path).graph.initializer
        if each.data_type == onnx.TensorProto.INT8 and len(each.dims) > 1
    ]
    by_shape = {kernel.shape: kernel for kernel in kernels}
    for name, (outputs, *rest, inputs) in SHAPES.items():
        shape = (outputs, inputs, *rest) if rest else (inputs, outputs)
        assert len(np.unique(by_shape[shape])) <= NUM_CLUSTERS, name
        assert np.mean(by_shape[shape] == 0) >= 0.59, name


def test_the_files_are_right(exported):
    _, reports = exported
    for name, report in reports.items():
        assert report.accuracy > 0.9, name
        assert report.top1_agreement >= 0.99, name
        assert report.input["dtype"] == "int8", name


def test_only_the_zip_gets_smaller(exported):
    _, reports = exported
    sizes = {name: report.size_bytes for name, report in reports.items()}
    assert max(sizes.values()) < 1.01 * min(sizes.values())
    zipped = {name: report.zipped_bytes for name, report in reports.items()}
    assert zipped["pruned"] < 0.9 * zipped["plain"]
    assert zipped["clustered"] < 0.9 * zipped["plain"]
    assert zipped["both"] < 0.9 * zipped["pruned"]
    assert not any("zipped" in note for note in reports["plain"].notes)
    assert any("zipped" in note for note in reports["pruned"].notes)
    assert "zipped" in str(reports["pruned"])


def test_channels_that_are_gone_make_the_file_smaller(
    trained, calibration, evaluation, tmp_path
):
    small = kerastl.surgery.prune_channels(trained, 0.5)
    _train(small, calibration, rate=0.01)
    reports = [
        export.to_tflite(
            model,
            tmp_path / f"{i}.tflite",
            calibration=calibration,
            evaluation=evaluation,
        )
        for i, model in enumerate((trained, small))
    ]
    wide, narrow = reports
    assert narrow.size_bytes < 0.7 * wide.size_bytes
    assert narrow.size_bytes == os.path.getsize(narrow.path)
    assert narrow.zipped_bytes < 0.7 * wide.zipped_bytes
    assert narrow.accuracy > 0.9
    counts = [
        sum(
            np.prod(graph.tensors[t].shape)
            for op in graph.operators
            for t in op.inputs
            if t >= 0
        )
        for graph in (read_litert_graph(r.path) for r in reports)
    ]
    assert counts[1] < counts[0]


def test_beside_a_source_in_a_fine_tuner(trained, calibration):
    pruned = kerastl.surgery.prune_weights(trained, 0.6)
    aware = export.quantization_aware(pruned)
    tuner = kerastl.FineTuner(aware, source=trained)
    tuner.compile(
        keras.optimizers.Adam(1e-3),
        "sparse_categorical_crossentropy",
        transfer_losses=[kerastl.losses.PixelLevel(0.1)],
        jit_compile=False,
    )
    history = tuner.fit(
        *calibration, batch_size=16, verbose=0, callbacks=[KeepZeros()]
    ).history
    assert np.isfinite(history["pixel_level"]).all()
    for before, after in zip(
        find_kernels(pruned), find_kernels(tuner.student), strict=True
    ):
        np.testing.assert_array_equal(before.numpy() == 0, after.numpy() == 0)
        assert np.any(before.numpy() != after.numpy())


def test_the_scale_of_a_kernel_survives_saving(exported, tmp_path):
    models, _ = exported
    models["clustered"].save(tmp_path / "aware.keras")
    loaded = keras.models.load_model(tmp_path / "aware.keras")
    assert not loaded.get_layer("stem").per_channel
    images = np.random.default_rng(0).uniform(0, 255, (4, SIZE, SIZE, 3))
    np.testing.assert_allclose(
        loaded(images), models["clustered"](images), atol=1e-6
    )


def test_models_that_are_not_compressed_have_no_note(trained):
    assert describe_compression(trained) == []
    bare = keras.Sequential([keras.Input((4, 4, 3)), layers.ReLU()])
    assert describe_compression(bare) == []
