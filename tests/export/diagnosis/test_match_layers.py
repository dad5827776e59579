import dataclasses
import re

import keras
import numpy as np
import pytest

from kerastl import export
from kerastl.export.diagnosis.examine import read_onnx
from kerastl.export.diagnosis.examine import read_tflite
from kerastl.export.diagnosis.match_layers import match_layers
from kerastl.export.runners.inference_model import lower
from kerastl.export.runners.keras_calls import keras_calls

from .conftest import settle

READERS = {"tflite": read_tflite, "onnx": read_onnx}


def matched(model, path, format, images, rename=str):
    """Layer path to the key of its tensor, and to its name."""
    calls, output = keras_calls(lower(model).model)
    file = READERS[format](path)
    file.tensors = [
        dataclasses.replace(each, name=rename(each.name))
        for each in file.tensors
    ]
    matches = match_layers(calls, output, file, images[:2])
    path_of = {place: call.path for call in calls for place in call.outputs}
    return {path_of[place]: match.tensor for place, match in matches.items()}


@pytest.mark.parametrize("format", ["tflite", "onnx"])
def test_values_suffice_where_names_say_nothing(format, net, files, images):
    named = matched(net, files[format], format, images)
    unnamed = matched(net, files[format], format, images, lambda _: "")
    assert {layer: each.key for layer, each in unnamed.items()} == {
        layer: each.key for layer, each in named.items()
    }
    assert len(named) > 10


@pytest.mark.slow
@pytest.mark.parametrize(
    "format",
    ["tflite", pytest.param("onnx", marks=pytest.mark.exact_onnx_int8)],
)
def test_a_real_network_is_matched_as_its_names_say(format, tmp_path):
    keras.utils.set_random_seed(0)
    inputs = keras.Input((32, 32, 3))
    x = keras.layers.Rescaling(1 / 127.5, -1.0, name="rescale")(inputs)
    backbone = keras.applications.MobileNetV2(
        (32, 32, 3), alpha=0.35, weights=None, include_top=False, pooling="avg"
    )
    head = keras.layers.Dense(5, activation="softmax", name="head")
    model = settle(keras.Model(inputs, head(backbone(x))), 0)
    generator = np.random.default_rng(0)
    images = generator.uniform(0, 255, (50, 32, 32, 3)).astype("float32")
    path = tmp_path / f"model.{format}"
    write = {"tflite": export.to_tflite, "onnx": export.to_onnx}[format]
    write(model, path, calibration=images)
    found = matched(model, path, format, images, rename=str)
    unnamed = matched(model, path, format, images, lambda _: "")
    for layer, tensor in found.items():
        name = layer.rsplit("/")[-1]
        # TFLite names the tensor of a merged BatchNormalization after the
        # convolution alone, and the last one after the call.
        names = {name, re.sub(r"(_bn|_BN)$", "", name)}
        if layer == "head" or re.match(r"\w+__\d+", tensor.name):
            continue  # the exporter gave it a name of its own
        assert any(each in tensor.name for each in names), (layer, tensor.name)
    # Every activation, addition and projection has its own tensor.
    layers = {layer.rsplit("/")[-1] for layer in found}
    expected = {
        layer.name
        for layer in backbone.layers
        if re.search(r"relu$|_add$|project_BN$", layer.name)
    }
    assert expected <= layers
    agreeing = [unnamed.get(layer) for layer in found]
    keys = [each and each.key for each in agreeing]
    assert keys == [each.key for each in found.values()]
