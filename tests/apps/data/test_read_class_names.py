import pytest

from kerastl.apps.data.read_class_names import read_class_names
from kerastl.export.package.tflite_metadata import join_archive


def test_names_in_the_file_go_before_those_beside_it(tmp_path):
    path = tmp_path / "a.tflite"
    path.write_bytes(b"graph")
    assert read_class_names(path, 2) is None
    (tmp_path / "labels.txt").write_text("cat\ndog\n")
    assert read_class_names(path, 2) == ["cat", "dog"]
    path.write_bytes(
        join_archive(b"graph", {"class_names": ["sit", "run"]}, [])
    )
    assert read_class_names(path, 2) == ["sit", "run"]


def test_a_single_output_has_two_names(tmp_path):
    (tmp_path / "labels.txt").write_text("no\nyes\n")
    (tmp_path / "a.keras").write_bytes(b"")
    assert read_class_names(tmp_path / "a.keras", 1) == ["no", "yes"]


def test_labels_of_another_model_are_refused(tmp_path):
    (tmp_path / "labels.txt").write_text("cat\ndog\n")
    (tmp_path / "a.keras").write_bytes(b"")
    with pytest.raises(ValueError, match="2 names, the model 3 outputs"):
        read_class_names(tmp_path / "a.keras", 3)
