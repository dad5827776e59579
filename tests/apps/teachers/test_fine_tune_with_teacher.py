"""`kerastl finetune --teacher`, from photos to the report."""

import json

import keras
import numpy as np
import pytest

from kerastl import apps
from kerastl.apps.data.image_data import ImageData
from kerastl.apps.data.image_part import ImagePart
from kerastl.apps.teachers.prepare_teachers import taught

pytestmark = [
    pytest.mark.tensorflow_only,
    pytest.mark.filterwarnings("ignore:The network starts from random"),
    pytest.mark.filterwarnings("ignore:The teacher .* names"),
]


@pytest.fixture
def arguments(tiny_arguments, shapes, finished_run):
    return {
        **tiny_arguments,
        "exports": [],
        "teacher": finished_run.output,
        "unlabelled": shapes,
    }


def test_the_student_learns_from_both_kinds_of_photos(arguments, tmp_path):
    result = apps.fine_tune(**arguments, output=tmp_path / "run")
    report = json.loads((result.output / "report.json").read_text())
    assert len(report["history"]["teacher_distillation"]) == 2
    (teacher,) = report["teachers"]
    assert teacher["label"] == "finished"
    text = report["summary"]["text"]
    assert "what a teacher says of them and of 36 images without" in text
    # What ships is the student alone.
    student = keras.saving.load_model(result.output / "model.keras")
    preset = apps.get_preset("resnet8")
    alone = preset.build(None, (16, 16, 3), classes=3)
    assert student.count_params() == alone.count_params()
    assert not list(result.output.glob("teacher-*"))


def test_a_resumed_run_wants_the_same_teacher(arguments, tmp_path, shapes):
    output = tmp_path / "run"
    apps.fine_tune(**arguments, output=output)
    with pytest.raises(ValueError, match="teacher was"):
        apps.fine_tune(
            **{**arguments, "teacher": None, "unlabelled": None},
            output=output,
            resume=True,
        )


def test_what_does_not_go_together_is_refused(arguments, tmp_path):
    output = tmp_path / "run"
    damaged = tmp_path / "damaged.weights.h5"
    damaged.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(200))
    with pytest.raises(ValueError, match="weights file cannot be read"):
        apps.fine_tune(
            **{**arguments, "teacher": f"resnet8:{damaged}"}, output=output
        )
    with pytest.raises(ValueError, match="trains nothing"):
        apps.fine_tune(**arguments, method="reestimate", output=output)
    with pytest.raises(ValueError, match=r"Name a teacher.*--teacher"):
        apps.fine_tune(**{**arguments, "teacher": None}, output=output)
    with pytest.raises(ValueError, match="'resnet8'"):
        apps.fine_tune(**{**arguments, "teacher": "resnet9"}, output=output)
    assert not output.exists()


def test_a_method_keeps_its_own_terms(finished_run):
    part = ImagePart(
        np.zeros(2, "int32"), 16, np.zeros((2, 16, 16, 3), "uint8")
    )
    recipe = apps.get_recipe("bss")
    with_photos = ImageData({}, ["a", "b"], 16, unlabelled=part)
    without = ImageData({}, ["a", "b"], 16)
    assert taught(recipe, [], with_photos) is recipe
    teacher = finished_run.model
    for data, needs in ((with_photos, True), (without, False)):
        made = taught(recipe, [teacher], data)
        assert made.needs_unlabelled is needs
        names = [term.name for term in made.transfer_losses(None)]
        assert names == ["bss", "teacher_distillation"]
