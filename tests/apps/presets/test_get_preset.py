import pytest

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
