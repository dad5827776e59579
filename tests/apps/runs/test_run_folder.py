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
        again(learning_rate=7.0)


IDENTITY = {
    "class_names": ["5", "6"],
    "images": {"train/5": [3, "a"], "train/6": [3, "b"], "test/5": [1, "c"]},
    "weights": "d",
    "source_classes": None,
}


@pytest.fixture
def identified(begun):
    begun.identify(IDENTITY)
    begun.advance("trained")
    return begun


def test_the_same_data_and_weights_go_on(identified):
    reopen(identified).identify({**IDENTITY})


@pytest.mark.parametrize(
    "changed, message",
    [
        (
            {"class_names": ["6", "z5"]},
            r"the classes \['5'\] are now \['z5'\]",
        ),
        ({"class_names": ["6", "5"]}, "in another order"),
        (
            {"images": {**IDENTITY["images"], "train/5": [2, "x"]}},
            "train/5 had 3 images, has 2",
        ),
        (
            {"images": {**IDENTITY["images"], "test/5": [1, "x"]}},
            "test/5 has other images",
        ),
        (
            {"images": {**IDENTITY["images"], "unlabelled": [9, "x"]}},
            "unlabelled had 0 images, has 9",
        ),
        ({"weights": "x"}, "the weights have other contents"),
        ({"source_classes": ["a"]}, "labels.txt beside the weights"),
    ],
)
def test_other_data_or_weights_are_refused(identified, changed, message):
    with pytest.raises(ValueError, match=message):
        reopen(identified).identify({**IDENTITY, **changed})


def test_photos_and_weights_may_lie_elsewhere(tmp_path):
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
    old, new = (str(tmp_path / name) for name in ("old", "new"))
    places = {"data": old, "unlabelled": old, "weights": old}
    folder = RunFolder(tmp_path / "run", {**ARGUMENTS, **places}, {})
    folder.begin()
    # Without digests nobody knows whether they are the same.
    with pytest.raises(ValueError, match="data was"):
        reopen(folder, **places | {"data": new})
    folder.identify(IDENTITY)
    folder.begin()
    assert reopen(folder, **dict.fromkeys(places, new)).resumed
    for name, value in (
        ("data", str(tmp_path / "gone")),
        ("weights", "imagenet"),
        ("unlabelled", True),
        ("weights", None),
    ):
        with pytest.raises(ValueError, match=f"{name} was"):
            reopen(folder, **places | {name: value})


def test_teachers_may_lie_elsewhere(tmp_path):
    for name in ("old", "new"):
        (tmp_path / name).write_text("weights")
    old, new = (str(tmp_path / name) for name in ("old", "new"))
    before = ["mobilenet_v2:imagenet", f"resnet8:{old}", old]
    folder = RunFolder(tmp_path / "run", {**ARGUMENTS, "teacher": before}, {})
    folder.begin()
    moved = ["mobilenet_v2:imagenet", f"resnet8:{new}", new]
    with pytest.raises(ValueError, match="teacher was"):
        reopen(folder, teacher=moved)
    folder.identify(IDENTITY)
    folder.begin()
    assert reopen(folder, teacher=moved).resumed
    for others in (
        moved[:2],
        [moved[0], f"resnet20:{new}", new],
        [moved[0], f"resnet8:{tmp_path / 'gone'}", new],
        [moved[0], moved[1], str(tmp_path / "gone")],
        None,
    ):
        with pytest.raises(ValueError, match="teacher was"):
            reopen(folder, teacher=others)


def test_a_run_without_digests_is_warned_of(begun):
    with pytest.warns(UserWarning, match="kept no digest"):
        reopen(begun).identify(IDENTITY)


def test_no_arguments_of_a_preset_are_none(begun):
    reopen(begun, preset_arguments={})
    with pytest.raises(ValueError, match="preset_arguments was None"):
        reopen(begun, preset_arguments={"alpha": 0.5})


def test_a_run_of_before_an_argument_came_had_its_default(begun):
    def again(smoothing):
        arguments = {**ARGUMENTS, "label_smoothing": smoothing}
        defaults = {"label_smoothing": 0.0, "epochs": 5}
        return RunFolder(begun.path, arguments, {}, True, defaults)

    assert again(0.0).resumed
    with pytest.raises(ValueError, match="label_smoothing was 0.0, is 0.1"):
        again(0.1)
    # What it has a word on counts.
    with pytest.raises(ValueError, match="epochs was 20, is 5"):
        RunFolder(
            begun.path, {**ARGUMENTS, "epochs": 5}, {}, True, {"epochs": 5}
        )


def test_arguments_that_cannot_be_kept_are_named(tmp_path):
    with pytest.raises(TypeError, match="run.json.*function len"):
        RunFolder(tmp_path, {"preset_arguments": {"activation": len}}, {})


def test_one_process_at_a_time(tmp_path):
    first = RunFolder(tmp_path / "run", ARGUMENTS, {})
    second = RunFolder(tmp_path / "run", ARGUMENTS, {})
    with first.hold():
        first.begin()
        with pytest.raises(BlockingIOError, match="Another process.*output="):
            with second.hold():
                raise AssertionError("the work has begun")
        with pytest.raises(BlockingIOError, match="Another process"):
            reopen(first)
    # The other has come and gone: what it left is not written over.
    with pytest.raises(FileExistsError, match="not empty"):
        with second.hold():
            raise AssertionError("the work has begun")
    with reopen(first).hold() as again:
        assert again.resumed
    assert {path.name for path in first.path.iterdir()} == {"run.json"}


def test_a_resumption_sees_what_came_between(begun):
    waiting = reopen(begun)
    begun.advance("trained")
    with waiting.hold():
        assert waiting.trained


@pytest.mark.parametrize("resume", [False, True])
def test_what_a_kill_in_the_first_write_leaves_is_no_run(tmp_path, resume):
    (tmp_path / ".lock").touch()
    staging = tmp_path / ".run.json-1-abcdefgh"
    staging.mkdir()
    (staging / ".lock").touch()
    (staging / "run.json").write_text('{"status')
    folder = RunFolder(tmp_path, ARGUMENTS, {}, resume)
    with folder.hold():
        folder.begin()
        assert not staging.exists() and not folder.resumed
    assert {path.name for path in tmp_path.iterdir()} == {"run.json"}


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        "null",
        "\xff",
        "[" * 100_000,
        '{"status": "training", "began": "", "arguments": []}',
        '{"status": "done", "began": "", "arguments": {}}',
        '{"status": "training", "began": ""}',
    ],
)
def test_a_damaged_run_json_is_told(begun, content):
    path = begun.file("run.json")
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(ValueError, match="damaged: .*run.json.*output="):
        reopen(begun)


def test_other_damaged_files_are_told(begun):
    with pytest.raises(ValueError, match="damaged: .*report.json"):
        begun.read_json("report.json")
    begun.write_json("report.json", {"title": ""})
    with pytest.raises(ValueError, match="it has no summary, data"):
        begun.read_json("report.json", ("title", "summary", "data"))
    begun.file("model.keras").write_bytes(b"PK")
    with pytest.raises(ValueError, match="damaged: .*model.keras"):
        begun.load_model()
