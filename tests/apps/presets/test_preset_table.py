import inspect

import keras
import numpy as np
import pytest
from keras import applications

from kerastl import apps


def test_names_are_those_of_the_rows():
    for name, preset in apps.PRESETS.items():
        assert apps.get_preset(name) is preset
        assert preset.name == name


def test_an_unknown_name_gets_the_nearest():
    with pytest.raises(ValueError, match="mean 'mobilenet_v2'.*'mobilenetv2'"):
        apps.get_preset("mobilenetv2")
    with pytest.raises(ValueError, match="Expected one of convnext_tiny"):
        apps.get_preset("???")
    with pytest.raises(ValueError, match="'mobilenet_v2' and `alpha=0.35`.*R"):
        apps.get_preset("mobilenet_v2_0.35")


FAMILIES = [name for name in dir(applications) if name in apps.__all__]


def test_every_preset_has_its_function():
    assert len(FAMILIES) == 18
    assert len(apps.PRESETS) == len(FAMILIES) + 2  # ResNet-8 and ResNet-20


@pytest.mark.parametrize("name", FAMILIES)
def test_is_called_as_in_keras_applications(name):
    ours, theirs = getattr(apps, name), getattr(applications, name)
    assert inspect.signature(ours) == inspect.signature(theirs)
    assert ours.__name__ == name
    assert "0 to 255" in inspect.getdoc(ours)


@pytest.mark.parametrize("name", FAMILIES)
def test_the_weights_are_imagenets_unless_others_are_asked_for(
    name, monkeypatch
):
    class Asked(Exception):
        pass

    def download(self, *args):
        raise Asked(self.title)

    monkeypatch.setattr(apps.Preset, "_graph", lambda *args: None)
    monkeypatch.setattr(apps.Preset, "_download", download)
    for arguments in ({}, {"weights": "imagenet"}, {"include_top": False}):
        with pytest.raises(Asked):
            getattr(apps, name)(**arguments)
    assert getattr(apps, name)(weights=None) is None


def test_what_keras_applications_takes_is_taken():
    defaults = {"input_tensor": None, "classifier_activation": "softmax"}
    keras.utils.set_random_seed(3)
    expected = apps.MobileNetV2(
        weights=None, input_shape=(32, 32, 3), alpha=0.35, classes=4
    )
    keras.utils.set_random_seed(3)
    model = apps.MobileNetV2(
        (32, 32, 3), 0.35, True, None, classes=4, name="mine", **defaults
    )
    assert model.name == "mine"
    for one, other in zip(
        model.get_weights(), expected.get_weights(), strict=True
    ):
        np.testing.assert_array_equal(one, other)
    with pytest.raises(TypeError, match="two values for alpha"):
        apps.MobileNetV2((32, 32, 3), 0.35, alpha=0.5)


def test_networks_without_published_weights_start_at_random():
    for name in ("ResNet8", "ResNet20"):
        parameters = inspect.signature(getattr(apps, name)).parameters
        assert parameters["weights"].default is None
    assert apps.ResNet8().output_shape == (None, 10)
    assert apps.get_preset("resnet8").build().output_shape == (None, 10)
