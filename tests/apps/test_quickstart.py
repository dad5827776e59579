import json

import pytest

from kerastl import apps
from kerastl import export
from kerastl.apps.page.find_runtime import VERSION
from kerastl.apps.runs import digits_experiment

pytestmark = [pytest.mark.tensorflow_only, pytest.mark.slow]


@pytest.fixture
def short(monkeypatch):
    monkeypatch.setattr(digits_experiment, "EPOCHS", 1)
    monkeypatch.setattr(digits_experiment, "SOURCE_EPOCHS", 1)
    monkeypatch.setattr(digits_experiment, "IMAGE_SIZE", 16)


def test_compares_exports_and_resumes(short, tmp_path, monkeypatch):
    output = tmp_path / "quickstart"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    result = apps.quickstart(output, seeds=1)
    rows = result.report["comparison"]["rows"]
    assert [row["label"] for row in rows] == [
        "Fine-tuning",
        "Anti-aliased fine-tuning",
        "Anti-aliased KTFT",
    ]
    data = digits_experiment.digits_target(0)
    for row in result.report["exports"]:
        found = export.evaluate(output / row["file"], data.test)
        assert found["accuracy"] == pytest.approx(row["accuracy"])
        assert found["num_images"] == 671
    assert (output / "report.html").exists()
    assert (output / "labels.txt").read_text().split() == list("56789")
    source = output / "source"
    assert (source / "labels.txt").read_text().split() == list("01234")
    # Anybody's next command: a method on the digits, from that source.
    run = apps.fine_tune(
        "digits",
        preset="resnet8",
        method="lwf",
        weights=source / "model.keras",
        image_size=16,
        shots=2,
        epochs=1,
        exports=[],
        output=tmp_path / "digits",
    )
    assert run.report["settings"]["keep_head"] is False
    assert run.report["data"]["totals"]["train"] == 10
    assert "lwf" in run.report["history"]

    # Stopped before its last training: that alone is done again.
    trainings = json.loads((output / "trainings.json").read_text())
    del trainings["ktft-0"]
    (output / "trainings.json").write_text(json.dumps(trainings))
    run = json.loads((output / "run.json").read_text())
    run["status"] = "training"
    (output / "run.json").write_text(json.dumps(run))
    trained = []
    train = apps.quickstart.__globals__["train_digits_target"]

    def watch(method, *args, **kwargs):
        trained.append(method.name)
        return train(method, *args, **kwargs)

    monkeypatch.setitem(
        apps.quickstart.__globals__, "train_digits_target", watch
    )
    again = apps.quickstart(output, seeds=1, resume=True)
    assert trained == ["ktft"]
    kept = again.report["comparison"]["rows"]
    assert kept[:2] == rows[:2]
    # What a page needs is fetched by those who ask for one.
    assert not (output / "try.html").exists()
    runtime = tmp_path / "cache" / "kerastl" / f"onnxruntime-web-{VERSION}"
    runtime.mkdir(parents=True)
    (runtime / "ort.wasm.bundle.min.mjs").write_bytes(b"export {};")
    (runtime / "ort-wasm-simd-threaded.wasm").write_bytes(b"\0asm")
    apps.quickstart(output, seeds=1, resume=True)
    assert "model_int8.onnx, 16 × 16" in (output / "try.html").read_text()


def test_refuses_no_seed(tmp_path):
    with pytest.raises(ValueError, match="at least 1"):
        apps.quickstart(tmp_path / "run", seeds=0)
    assert not (tmp_path / "run").exists()
