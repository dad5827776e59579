import pytest

from kerastl.export.package.metadata import Metadata


def test_what_is_written_is_read():
    metadata = Metadata(["a", "b"], metrics={"accuracy": 0.9})
    assert Metadata.from_dict(metadata.to_dict()) == metadata


def test_unknown_keys_are_left_out():
    values = {**Metadata(["a", "b"]).to_dict(), "later": 1}
    assert Metadata.from_dict(values) == Metadata(["a", "b"])


def test_a_range_is_a_pair_and_bytes_are_usual():
    values = Metadata(["a", "b"]).to_dict()
    found = Metadata.from_dict({**values, "pixel_range": [-1, 1]})
    assert found.pixel_range == (-1, 1)
    del values["pixel_range"]
    assert Metadata.from_dict(values).pixel_range == (0, 255)


def test_a_newer_layout_is_refused():
    values = {**Metadata(["a", "b"]).to_dict(), "format_version": 99}
    with pytest.raises(ValueError, match="newer version.*format_version=99"):
        Metadata.from_dict(values)


def test_metadata_without_classes_is_refused():
    with pytest.raises(ValueError, match="names no classes"):
        Metadata.from_dict({"metrics": {}})


@pytest.mark.parametrize(
    "values, message",
    [
        (["a"], "expected an object"),
        ({"class_names": ["a", "b"], "format_version": "1"}, "whole number"),
        ({"class_names": ["a", 1]}, "are texts"),
        ({"class_names": ["a"], "pixel_range": [1, 0]}, "than white"),
        ({"class_names": ["a"], "pixel_range": "01"}, "pixel_range='01'"),
        ({"class_names": ["a"], "metrics": 3}, "metrics=3"),
        ({"class_names": ["a"], "output": {"shape": [2]}}, "1 names, 2 out"),
        (
            {"class_names": ["a", "b", "c"], "output": {"shape": [1]}},
            "3 names, 1 out",
        ),
    ],
)
def test_damage_is_one_clear_error(values, message):
    with pytest.raises(ValueError, match=message):
        Metadata.from_dict(values)
