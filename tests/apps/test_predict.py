import shutil

import pytest

from kerastl import apps

pytestmark = pytest.mark.tensorflow_only

FILES = ("model.keras", "model_int8.tflite", "model_int8.onnx")


@pytest.fixture
def photos(shapes):
    return sorted(shapes.glob("*/0[0-4].png"))


@pytest.mark.exact_onnx_int8
def test_every_kind_of_file_gives_the_same_answer(finished_run, photos):
    answers = {}
    for name in FILES:
        result = apps.predict(finished_run.output / name, photos)
        assert [each["image"] for each in result.predictions] == [
            str(photo) for photo in photos
        ]
        answers[name] = [each["classes"] for each in result.predictions]
        for classes in answers[name]:
            scores = [each["score"] for each in classes]
            assert scores == sorted(scores, reverse=True)
            assert sum(scores) == pytest.approx(1, abs=0.02)
    for name in FILES[1:]:
        for ours, theirs in zip(answers[FILES[0]], answers[name], strict=True):
            scores = {each["class"]: each["score"] for each in theirs}
            assert set(scores) == {"circle", "cross", "square"}
            for each in ours:
                assert scores[each["class"]] == pytest.approx(
                    each["score"], abs=0.05
                )


def test_the_answers_are_those_that_evaluate_counts(finished_run, shapes):
    path = finished_run.output / "model_int8.tflite"
    evaluated = apps.evaluate_model(path, shapes)
    photos = sorted(shapes.glob("*/*.png"))
    result = apps.predict(path, photos, top=1)
    right = sum(
        each["classes"][0]["class"] == photo.parent.name
        for each, photo in zip(result.predictions, photos, strict=True)
    )
    assert right == round(evaluated.figures["accuracy"] * len(photos))


def test_a_file_without_names_has_numbers(finished_run, photos, tmp_path):
    path = shutil.copy(finished_run.output / "model.keras", tmp_path)
    result = apps.predict(path, photos[:1], top=2)
    [prediction] = result.predictions
    assert {each["class"] for each in prediction["classes"]} < {"0", "1", "2"}
    assert len(prediction["classes"]) == 2


def test_bad_arguments(finished_run, photos):
    path = finished_run.output / "model.keras"
    for top in (0, 1.5):
        with pytest.raises(ValueError, match=f"an integer.* top={top}"):
            apps.predict(path, photos, top=top)
    with pytest.raises(ValueError, match="at least one image"):
        apps.predict(path, [])
