import dataclasses
import json

import pytest

from kerastl.export import to_tflite

pytestmark = pytest.mark.tensorflow_only


@pytest.fixture(scope="module")
def report(cnn, calibration, evaluation, tmp_path_factory):
    folder = tmp_path_factory.mktemp("a_rather_long_name_of_a_folder" * 2)
    return to_tflite(
        cnn,
        folder / "model.tflite",
        calibration=calibration,
        evaluation=evaluation,
    )


def test_the_dictionary_survives_json(report):
    assert json.loads(json.dumps(report.to_dict())) == report.to_dict()


def test_the_text_fits_the_terminal_and_tells_what_counts(report):
    text = str(dataclasses.replace(report, accuracy_drop=0.004))
    path_line, *others = text.splitlines()
    assert all(len(line) <= 80 for line in others if "/" not in line)
    for part in (
        "int8",
        "zero point -128",
        "120 evaluation images",
        "0.4 points lost",
        "1 thread",
        "flip, zoom",
    ):
        assert part in " ".join(text.split())


def test_several_threads_are_several(report):
    text = str(dataclasses.replace(report, threads=2))
    assert "(2 threads, " in " ".join(text.split())
    assert "(1 thread, " in " ".join(str(report).split())


def test_rows_that_say_nothing_are_left_out(report):
    """An .onnx file has no partitions, and without labels none is right."""
    text = " ".join(str(report).split())
    assert f"delegate {report.partitions} partition(s)" in text
    assert f"{100 * report.keras_accuracy:.1f} % in Keras" in text
    assert f"{100 * report.accuracy:.1f} % in the file" in text
    bare = dataclasses.replace(report, partitions=None, accuracy=None)
    found = " ".join(str(bare).split())
    assert "delegate" not in found and "in the file" not in found
    assert "latency" in found


def test_the_versions_of_everything_that_took_part_are_there(report):
    assert set(report.versions) == {"keras", "tensorflow", "ai-edge-litert"}
    assert report.processor
