import os

import h5py
import keras
import numpy as np
import pytest
from keras import applications

from kerastl import apps
from tests.few_blocks import few_blocks
from tests.real_weights import WEIGHTS
from tests.real_weights import needs_real_weights

QUICK = {
    "mobilenet": applications.mobilenet,
    "mobilenet_v2": applications.mobilenet_v2,
    "mobilenet_v3_small": applications.mobilenet_v3,
    "efficientnet_b0": applications.efficientnet,
    "efficientnet_v2_b0": applications.efficientnet_v2,
    "resnet50": applications.resnet,
    "resnet50_v2": applications.resnet_v2,
    "densenet121": applications.densenet,
    "convnext_tiny": applications.convnext,
}
SLOW = {
    "mobilenet_v3_large": applications.mobilenet_v3,
    "resnet101": applications.resnet,
    "resnet152": applications.resnet,
    "vgg16": applications.vgg16,
    "vgg19": applications.vgg19,
    "xception": applications.xception,
    "inception_v3": applications.inception_v3,
    "inception_resnet_v2": applications.inception_resnet_v2,
    "nasnet_mobile": applications.nasnet,
}
MODULES = QUICK | SLOW


def photos(side, count=2):
    generator = np.random.default_rng(0)
    return generator.uniform(0, 255, (count, side, side, 3)).astype("float32")


def near(actual, expected, tolerance=1e-4):
    expected = np.asarray(expected)
    scale = np.abs(expected).max()
    np.testing.assert_allclose(actual, expected, atol=tolerance * scale)


def original(preset, **arguments):
    side = max(preset.min_size, 32)
    shape = (side, side, 3)
    return preset.builder(weights=None, input_shape=shape, **arguments)


@pytest.mark.parametrize("name", QUICK)
def test_equals_the_application_with_its_own_preprocessing(name, tmp_path):
    preset = apps.get_preset(name)
    file = tmp_path / "whole.weights.h5"
    original(preset, classes=7).save_weights(file)
    reference = original(preset, include_top=False)
    reference.load_weights(file)
    shape = reference.input_shape[1:]
    images = photos(shape[0])
    prepared = QUICK[name].preprocess_input(images.copy())

    model = preset.build(weights=file, input_shape=shape, include_top=False)
    file.unlink()

    near(model(images), reference(prepared))
    assert layers_with_weights(model) == layers_with_weights(reference)


@pytest.mark.parametrize(
    "name", ["mobilenet", "mobilenet_v3_small", "vgg16", "convnext_tiny"]
)
def test_every_kind_of_head_is_found_in_the_weights(name):
    preset = apps.get_preset(name)
    reference = original(preset, classes=7)
    shape = reference.input_shape[1:]
    images = photos(shape[0])
    prepared = MODULES[name].preprocess_input(images.copy())

    model = preset.build(weights=reference, input_shape=shape)

    assert model.output_shape == (None, 7)
    near(model(images), reference(prepared))
    assert layers_with_weights(model) == layers_with_weights(reference)


def layers_with_weights(model):
    """Names of the layers with weights; automatic names count on."""
    return [
        layer.name.rstrip("0123456789_")
        if layer.name.startswith(("normalization", "layer_normalization"))
        else layer.name
        for layer in model.layers
        if layer.weights
    ]


@pytest.mark.slow
@pytest.mark.parametrize("name", SLOW)
def test_equals_the_large_application(name):
    preset = apps.get_preset(name)
    with few_blocks() as asked:
        reference = original(preset, include_top=False)
        shape = reference.input_shape[1:]
        model = preset.build(weights=reference, input_shape=shape)
    images = photos(shape[0], count=1)
    prepared = SLOW[name].preprocess_input(images.copy())

    near(model(images), reference(prepared))
    if SLOW[name] is applications.resnet:
        # Three convolutions a block, the first one, and the head.
        depths = 3 * sum(asked[:4]) + 2, 3 * sum(asked[4:]) + 2
        assert depths == (int(name.removeprefix("resnet")),) * 2


def test_a_preset_loads_what_a_preset_saved(tmp_path):
    shape = (32, 32, 3)
    first = apps.VGG16(weights=None, input_shape=shape, include_top=False)
    first.save_weights(tmp_path / "rgb.weights.h5")
    first.save(tmp_path / "rgb.keras")
    images = photos(32)

    for file in ("rgb.weights.h5", "rgb.keras"):
        again = apps.VGG16(weights=tmp_path / file, input_shape=shape)
        near(again(images), first(images), 1e-6)
    near(
        apps.VGG16(weights=first, input_shape=shape)(images),
        first(images),
        1e-6,
    )


def test_efficientnet_is_normalised_as_its_imagenet_weights_need(
    tmp_path, monkeypatch
):
    shape = (32, 32, 3)
    plain = applications.EfficientNetB0(
        weights=None, include_top=False, input_shape=shape
    )
    deviations = np.array([0.229, 0.224, 0.225])
    plain.layers[2].set_weights(
        [np.array([0.485, 0.456, 0.406]), deviations, np.array(1)]
    )
    file = str(tmp_path / "efficientnetb0_notop.h5")
    plain.save(file)
    monkeypatch.setattr(
        "keras.src.applications.efficientnet.file_utils.get_file",
        lambda *args, **kwargs: file,
    )
    official = applications.EfficientNetB0(
        weights="imagenet", include_top=False, input_shape=shape
    )
    images = photos(32)
    expected = official(images)
    assert (
        np.abs(plain(images) - expected).max() > 0.01 * np.abs(expected).max()
    )

    for weights in (file, official, "imagenet"):
        model = apps.EfficientNetB0(
            weights=weights, input_shape=shape, include_top=False
        )
        near(model(images), expected)
    again = apps.EfficientNetB0(weights=model, input_shape=shape)
    near(again(images), expected)


def test_the_graph_is_flat_and_takes_images():
    model = apps.MobileNetV2(
        weights=None, input_shape=(32, 32, 3), alpha=0.35, classes=3
    )

    assert model.input.name == "image"
    assert not any(isinstance(layer, keras.Model) for layer in model.layers)
    assert model.get_layer("rgb_preprocessing") is model.layers[1]
    assert model.get_layer("block_1_expand").get_config()["filters"] == 48
    probabilities = np.asarray(model(photos(32)))
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)


def test_reloads_in_a_fresh_process(tmp_path, run_in_fresh_process):
    expected = []
    for build in (apps.DenseNet121, apps.VGG16):
        model = build(weights=None, input_shape=(32, 32, 3), include_top=False)
        model.save(tmp_path / f"{len(expected)}.keras")
        expected.append(float(np.asarray(model(photos(32))).sum()))

    printed = run_in_fresh_process(
        """
        import sys, keras, numpy as np
        generator = np.random.default_rng(0)
        images = generator.uniform(0, 255, (2, 32, 32, 3)).astype("float32")
        for number in (0, 1):
            model = keras.saving.load_model(f"{sys.argv[1]}/{number}.keras")
            print(float(np.asarray(model(images)).sum()))
        """,
        tmp_path,
    )

    assert [float(line) for line in printed.split()] == pytest.approx(
        expected, rel=1e-4
    )


def test_a_file_without_layer_names_is_understood(tmp_path):
    """Early Keras 3 wrote no names into `.weights.h5`."""
    saved = apps.ResNet8(classes=5)
    saved.save_weights(tmp_path / "unnamed.weights.h5")
    with h5py.File(tmp_path / "unnamed.weights.h5", "r+") as file:
        file.visititems(lambda _, item: item.attrs.pop("name", None))

    model = apps.ResNet8(weights=tmp_path / "unnamed.weights.h5")

    near(model(photos(32)), saved(photos(32)), 1e-6)


def test_another_width_is_named_and_nothing_is_built(tmp_path):
    small = original(
        apps.get_preset("mobilenet_v2"), alpha=0.35, include_top=False
    )
    small.save_weights(tmp_path / "small.weights.h5")

    with pytest.raises(
        ValueError, match=r"'Conv1' expects shapes \[\(3, 3, 3, 32\)\].*16\)"
    ):
        apps.MobileNetV2(
            weights=tmp_path / "small.weights.h5", input_shape=(32, 32, 3)
        )


def test_the_head_is_that_of_the_weights():
    shape = (32, 32, 3)
    arguments = {"input_shape": shape, "alpha": 0.35}
    whole = apps.MobileNetV2(weights=None, classes=5, **arguments)
    headless = apps.MobileNetV2(weights=None, include_top=False, **arguments)

    assert apps.MobileNetV2(weights=whole, **arguments).output_shape[-1] == 5
    assert apps.MobileNetV2(weights=headless, **arguments).output_shape[1:] == (
        1,
        1,
        1280,
    )
    with pytest.raises(ValueError, match="no classifier.*replace_head"):
        apps.MobileNetV2(weights=headless, include_top=True, **arguments)
    with pytest.raises(ValueError, match="no classifier.*replace_head"):
        apps.MobileNetV2(weights=headless, classes=3, **arguments)
    with pytest.raises(ValueError, match="classifier of 5.*classes=3"):
        apps.MobileNetV2(weights=whole, classes=3, **arguments)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"input_shape": (31, 64, 3)}, "at least 32x32.*31, 64"),
        ({"input_shape": (64, 64, 1)}, "RGB.*64, 64, 1"),
        ({"input_shape": 64}, "input_shape=64"),
        ({"include_top": "yes"}, "include_top='yes'"),
        ({"width": 2}, "no argument `width`.*alpha"),
        ({"classifier_activation": None}, "always 'softmax'.*activation=None"),
        ({"input_tensor": "x"}, "`input_tensor` is always None"),
        ({"alpha": 0.35, "classes": 3}, "1000 classes.*weights=None"),
        ({"weights": "imagenet", "classes": 3}, "1000 classes.*classes=3"),
    ],
)
def test_bad_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        apps.MobileNetV2(**arguments)


def test_a_family_of_one_width_takes_no_other():
    with pytest.raises(ValueError, match="Leave it out.*Expected none"):
        apps.ResNet8(weights=None, alpha=0.5)


def test_missing_and_damaged_files_are_told_apart(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere.h5"):
        apps.ResNet8(weights=tmp_path / "nowhere.h5")
    for name in ("damaged.weights.h5", "damaged.keras"):
        (tmp_path / name).write_bytes(b"not a model")
        with pytest.raises(ValueError, match=name):
            apps.ResNet8(weights=tmp_path / name)
    with pytest.raises(ValueError, match="no ImageNet weights for ResNet-8"):
        apps.ResNet8(weights="imagenet")


def test_imagenet_weights_come_from_the_cache_or_say_what_to_do(
    tmp_path, run_in_new_interpreter
):
    model = applications.MobileNetV2(
        weights=None, alpha=0.35, input_shape=(96, 96, 3), include_top=False
    )
    cache = tmp_path / "models"
    os.mkdir(cache)
    name = "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_0.35_96_no_top.h5"
    model.save(cache / name)
    images = photos(96, count=1)
    expected = np.asarray(model(images / 127.5 - 1)).sum()

    printed = run_in_new_interpreter(
        """
        import os, sys
        os.environ["KERAS_HOME"] = sys.argv[1]
        os.environ["https_proxy"] = "http://127.0.0.1:9"
        import numpy as np
        from kerastl import apps
        arguments = {"weights": "imagenet", "alpha": 0.35,
                     "input_shape": (96, 96, 3)}
        model = apps.MobileNetV2(include_top=False, **arguments)
        images = np.random.default_rng(0).uniform(0, 255, (1, 96, 96, 3))
        print(float(np.asarray(model(images.astype("float32"))).sum()))
        try:
            apps.MobileNetV2(include_top=True, **arguments)
        except ConnectionError as error:
            print(error)
        """,
        tmp_path,
    ).splitlines()

    printed = [line for line in printed if "Downloading" not in line]
    assert float(printed[0]) == pytest.approx(float(expected), rel=1e-4)
    assert "pass a local file" in printed[1]
    assert name.replace("_no_top", "") in printed[1]


def test_parameters_in_the_table_are_those_of_the_network():
    for name in ("mobilenet_v2", "mobilenet_v3_small", "resnet8", "resnet20"):
        preset = apps.get_preset(name)
        millions = preset.build(weights=None).count_params() / 1e6
        assert preset.parameters == pytest.approx(millions, abs=0.006)


@needs_real_weights
def test_real_weights_load_by_one_call():
    arguments = {"alpha": 0.25}
    images = photos(224)
    name = "mobilenet_v1_0.25_224_imagenet_top"
    first = apps.MobileNet(weights=WEIGHTS / f"{name}.weights.h5", **arguments)
    second = apps.MobileNet(weights=WEIGHTS / f"{name}_keras2.h5", **arguments)
    np.testing.assert_array_equal(first(images), second(images))

    headless = apps.MobileNetV2(
        weights=WEIGHTS / "mobilenet_v2_0.35_224_imagenet_notop.weights.h5",
        input_shape=(128, 128, 3),
        alpha=0.35,
    )
    assert headless.output_shape == (None, 4, 4, 1280)
    large = apps.MobileNetV2(
        weights=WEIGHTS / "mobilenet_v2_1.0_224_imagenet_from_ptq.weights.h5"
    )
    assert large.output_shape == (None, 1001)


@pytest.mark.parametrize(
    "name, weights, alpha, rate",
    [
        ("mobilenet_v2", "imagenet", 1.0, 1e-4),
        ("mobilenet_v2", "imagenet", 0.25, 8e-4),
        ("mobilenet_v2", None, 0.5, 3e-3),
        ("vgg16", "vgg16.h5", 1.0, 3e-5),
        ("resnet8", "model.keras", 1.0, 3e-3),
        ("resnet8", None, 1.0, 5e-2),
    ],
)
def test_a_narrow_network_takes_longer_steps(name, weights, alpha, rate):
    found = apps.get_preset(name).usual_rate(weights, alpha)
    assert found == pytest.approx(rate)
