import re
import shlex
import types

import numpy as np
import pytest

from kerastl.apps.choice import choose_method as module
from kerastl.apps.choice.evidence import Gain
from kerastl.apps.choice.evidence import Task
from kerastl.apps.choice.evidence import expected_gains
from kerastl.apps.choice.evidence import measured
from kerastl.apps.recipes.training_options import TrainingOptions


@pytest.fixture
def choose(monkeypatch):
    """Chooses for photos of which LDA names so many, without a network."""

    def run(shots, probe, what="choose_method", **source):
        features = np.zeros((1, source.pop("features", 1280)))
        monkeypatch.setattr(
            module, "look", lambda source, data: (features, None)
        )
        monkeypatch.setattr(
            module, "discriminant_accuracy", lambda features, labels: probe
        )
        data = types.SimpleNamespace(
            parts={"train": np.zeros(10 * shots)},
            num_classes=10,
            image_size=source.pop("image_size", 128),
            augmentation=None,
            steps_per_epoch=source.pop("steps", 2),
        )
        network = types.SimpleNamespace(
            count_params=lambda: source.get("parameters", 400_000)
        )
        if what == "choose_method":
            options = source.get("options", TrainingOptions())
            return module.choose_method(network, data, 20, options)
        if what == "choose_self_taught":
            keep_head = source.get("keep_head", False)
            return module.choose_self_taught(network, data, 20, keep_head)
        if what == "pays":
            method = source.get("method", "averaged_imprinting")
            return module.pays(method, network, data, 20)
        more = [source["weights"]] if "weights" in source else []
        return getattr(module, what)(network, data, *more)

    return run


def test_where_it_was_measured_the_best_method_is_taken(choose):
    method, reason = choose(25, 0.66)
    gains = expected_gains(Task(25, 66.0, 1280))
    assert method == max(gains, key=lambda name: gains[name].points)
    assert method == "averaged_imprinting"
    assert f"{gains[method].points:+.1f} ± " in reason
    assert "25 photos a class" in reason
    assert "66 %" in reason


def test_a_method_that_cannot_what_is_asked_is_not_taken(choose, monkeypatch):
    gains = {"rifle": Gain(5.0, 1.0, 2), "l2_sp": Gain(2.0, 1.0, 2)}
    gains["fine_tune"] = Gain(0.0, 0.0, 0.0)
    monkeypatch.setattr(module, "expected_gains", lambda task: gains)
    assert choose(25, 0.66)[0] == "rifle"
    for asked in ({"patience": 3}, {"head_learning_rate": 2.0}):
        assert choose(25, 0.66, options=TrainingOptions(**asked))[0] == "l2_sp"


@pytest.mark.parametrize("shots, probe", [(400, 0.66), (1, 0.02)])
def test_far_from_all_that_was_measured_it_is_fine_tuning(choose, shots, probe):
    method, reason = choose(shots, probe)
    assert method == "fine_tune"
    assert "nothing is expected to gain" in reason


def test_much_on_one_task_does_not_beat_a_little_less_on_many(
    choose, monkeypatch
):
    gains = {
        "fine_tune": Gain(0.0, 0.0, 0.0),
        "averaged_imprinting": Gain(1.5, 0.6, 6.0),
        "bi_tuning": Gain(1.8, 1.7, 1.0),
        "ktft": Gain(0.6, 1.6, 0.2),
    }
    monkeypatch.setattr(module, "expected_gains", lambda task, rows=None: gains)
    assert choose(25, 0.66)[0] == "averaged_imprinting"
    assert choose(25, 0.66, "pays")
    del gains["averaged_imprinting"]
    assert choose(25, 0.66)[0] == "bi_tuning"
    # Less than its own standard error is nothing.
    del gains["bi_tuning"]
    assert choose(25, 0.66)[0] == "fine_tune"


@pytest.mark.parametrize("shots, probe", [(5, 0.5), (10, 0.75), (25, 0.85)])
def test_a_start_from_few_features_is_not_taken(choose, shots, probe):
    method, reason = choose(shots, probe, features=64)
    assert method == "fine_tune"
    assert "the source's 64 features" in reason
    for what in ("choose_self_taught", "pays"):
        found = choose(shots, probe, what, features=64)
        assert not found or found[0] == "fine_tune"
    # Of as many as a MobileNetV2 has it is.
    assert choose(shots, probe)[0] == "averaged_imprinting"


def test_a_lesson_is_hinted_at_where_it_is_worth_it(choose, monkeypatch):
    asked = []

    def expect(task, unlabelled):
        asked.append((task, unlabelled))
        return Gain(points, 1.0, 2)

    monkeypatch.setattr(module, "expected_lesson", expect)
    points = 9.04
    hint = choose(25, 0.66, "describe_lesson")
    assert asked == [(Task(25, 66.0, 1280), True)]
    assert "+9.0 ± 2.0 points" in hint
    assert "--teacher mobilenet_v2 --unlabelled FOLDER" in hint
    # Half of a MobileNetV2 has 1.75 million parameters.
    assert choose(25, 0.66, "describe_lesson", parameters=1_740_000)
    assert choose(25, 0.66, "describe_lesson", parameters=1_800_000) is None
    assert choose(25, 0.66, "describe_lesson", image_size=96)
    assert choose(25, 0.66, "describe_lesson", image_size=95) is None
    points = 2.9
    assert choose(25, 0.66, "describe_lesson") is None


def test_weights_of_the_teacher_that_are_there_are_named(
    choose, monkeypatch, tmp_path
):
    monkeypatch.setattr(
        module, "expected_lesson", lambda *_, **__: Gain(9.0, 1.0, 2)
    )
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "none"))
    folder = tmp_path / "my weights"
    folder.mkdir()
    small = folder / "mobilenet_v2_0.35.weights.h5"
    small.touch()
    hint = choose(25, 0.66, "describe_lesson", weights=small)
    assert "--teacher mobilenet_v2 --unlabelled" in hint
    large = folder / "mobilenet_v2_1.0.weights.h5"
    large.touch()
    hint = choose(25, 0.66, "describe_lesson", weights=small)
    # As a shell reads it.
    words = shlex.split(hint)
    assert words[words.index("--teacher") + 1] == f"mobilenet_v2:{large}"


def test_what_self_training_is_expected_to_bring_is_said(choose):
    rows = [
        row
        for row in measured(unlabelled=True)
        if row["method"] == "self_training"
        and (row["data"], row["shots"]) == ("clothing10", 25)
    ]
    method, text = choose(25, 0.66, "choose_self_taught")
    assert method == "self_training"
    points = float(re.search(r"labels: ([+-]\d+\.\d) ± ", text)[1])
    # Other tasks count, too, and so does doubt.
    assert 1 < points <= rows[0]["gain"] + 1


def test_photos_without_labels_that_bring_nothing_are_left_out(choose):
    method, text = choose(400, 0.99, "choose_self_taught")
    assert method == "fine_tune"
    assert "points over it are expected of Self-training" in text
    assert "they are left out" in text
    method, text = choose(400, 0.99, "choose_self_taught", keep_head=True)
    assert method == "self_training"
    assert "±" not in text


def test_a_teacher_is_adapted_by_what_pays(choose, monkeypatch):
    assert choose(25, 0.66, "pays")
    assert not choose(25, 0.66, "pays", steps=1)
    assert not choose(400, 0.99, "pays")
    assert not choose(25, 0.66, "pays", method="linear_probe")
    assert not choose(25, 0.66, "pays", method="not measured")


def test_in_a_few_steps_nothing_but_fine_tuning_was_measured(choose):
    method, reason = choose(25, 0.66, steps=1)
    assert method == "fine_tune"
    assert "and this one takes 20" in reason
    # With photos that nobody sorted, too, whose method starts in the same way.
    method, reason = choose(25, 0.66, "choose_self_taught", steps=1)
    assert method == "fine_tune"
    assert "this one takes 20; the photos without labels are left" in reason
    for more in ({"steps": 2}, {"steps": 1, "keep_head": True}):
        method, _ = choose(25, 0.66, "choose_self_taught", **more)
        assert method == "self_training"
