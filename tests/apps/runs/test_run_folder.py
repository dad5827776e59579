import json

import pytest

from kerastl.apps.runs.run_folder import RunFolder

ARGUMENTS = {"epochs": 20, "exports": ["tflite:int8"], "seed": 0}


@pytest.fixture
def begun(tmp_path):
    folder = RunFolder(tmp_path / "run", ARGUMENTS, {"keras": "3"})
    folder.begin()
    return folder


def reopen(folder, resume=True, **changed):
    return RunFolder(folder.path, {**ARGUMENTS, **changed}, {}, resume)


def test_looking_writes_nothing(tmp_path):
    folder = RunFolder(tmp_path / "run", ARGUMENTS, {})
    assert not folder.path.exists()
    assert (folder.status, folder.resumed) == ("training", False)


def test_an_empty_folder_is_taken(tmp_path):
    RunFolder(tmp_path, ARGUMENTS, {}).begin()
    assert (tmp_path / "run.json").exists()


def test_refuses_what_exists_without_resume(begun):
    with pytest.raises(FileExistsError, match="not empty"):
        reopen(begun, resume=False)


def test_refuses_a_file(tmp_path):
    (tmp_path / "run").write_text("")
    with pytest.raises(FileExistsError, match="is a folder"):
        RunFolder(tmp_path / "run", ARGUMENTS, {}, resume=True)


def test_refuses_a_folder_that_is_no_run(tmp_path):
    (tmp_path / "photo.jpg").write_text("")
    with pytest.raises(ValueError, match="no run to resume"):
        RunFolder(tmp_path, ARGUMENTS, {}, resume=True)


def test_refuses_below_a_file(tmp_path):
    (tmp_path / "file").write_text("")
    folder = RunFolder(tmp_path / "file" / "run", ARGUMENTS, {})
    with pytest.raises(PermissionError, match="cannot be made"):
        folder.begin()


def test_resume_remembers_how_far_it_came(begun):
    begun.advance("trained")
    again = reopen(begun)
    assert again.resumed
    assert again.trained
    assert again.status == "trained"


def test_resume_with_other_arguments_names_them(begun):
    with pytest.raises(ValueError, match="epochs was 20, is 30; seed was 0"):
        reopen(begun, epochs=30, seed=1)


def test_exports_may_change(begun):
    again = reopen(begun, exports=["onnx:int8"])
    again.begin()
    saved = json.loads(again.file("run.json").read_text())
    assert saved["arguments"]["exports"] == ["onnx:int8"]


def test_resume_of_nothing_begins(tmp_path):
    assert not RunFolder(tmp_path / "run", ARGUMENTS, {}, True).resumed


def test_a_failed_write_leaves_the_old_file(begun):
    begun.write_json("report.json", {"a": 1})
    with pytest.raises(ValueError, match="JSON"):
        begun.write_json("report.json", {"a": float("nan")})
    assert begun.read_json("report.json") == {"a": 1}
    names = {path.name for path in begun.path.iterdir()}
    assert names == {"run.json", "report.json"}


@pytest.mark.parametrize(
    "status, free, kept",
    [
        ("training", {"learning_rate": 0.1, "strength": 2.0}, {"qat": None}),
        ("trained", {"qat": None}, {"learning_rate": 0.1}),
    ],
)
def test_a_diverged_training_may_go_on_in_another_way(
    tmp_path, status, free, kept
):
    arguments = {"learning_rate": 9.0, "strength": 1.0, "qat": 2}
    folder = RunFolder(tmp_path / "run", arguments, {})
    folder.begin()
    folder.advance(status)

    def again(**changed):
        return RunFolder(folder.path, {**arguments, **changed}, {}, True)

    with pytest.raises(ValueError, match="other arguments"):
        again(**free)
    with pytest.raises(FloatingPointError), folder.noting_divergence():
        raise FloatingPointError
    with pytest.raises(ValueError, match="other arguments"):
        again(**kept)
    resumed = again(**free)
    resumed.begin()
    arguments = {**arguments, **free}
    # Once that part is over it is as it is.
    resumed.advance(status)
    assert again().status == status
    with pytest.raises(ValueError, match="other arguments"):
        again(**{name: 7 for name in free})
