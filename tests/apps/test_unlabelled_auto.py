"""`--unlabelled` where the method is left to `auto`, and it does not pay."""

import json

import pytest

from kerastl import apps

pytestmark = pytest.mark.tensorflow_only


@pytest.fixture
def run(tiny_arguments, finished_run, shapes, tmp_path):
    """Runs from another run's network, and reads its report."""
    arguments = {
        **tiny_arguments,
        "weights": finished_run.output / "model.keras",
        "keep_head": False,
        "unlabelled": shapes,
        "exports": [],
        "output": tmp_path / "run",
    }

    def start(**more):
        result = apps.fine_tune(**(arguments | more))
        return json.loads((result.output / "report.json").read_text())

    return start


def test_in_a_few_steps_they_are_left_out_and_it_says_so(run):
    report = run()
    text = report["summary"]["text"]
    assert "this one takes 6; the photos without labels are left out" in text
    assert "Fine-tuning" in text
    assert not report.get("pseudo_labels")
    # What was decided stays, however the run goes on.
    assert run(resume=True, exports=["onnx:float32"])["summary"]["text"] == text


def test_where_it_is_not_expected_to_gain_they_are_left_out_too(run):
    report = run(batch_size=2, epochs=3)
    assert "they are left out" in report["summary"]["text"]
    assert not report.get("pseudo_labels")
