"""Runs that go on: what is kept, what is made anew, what is refused."""

import json
import os
import re
import shutil

import pytest

from kerastl import apps
from kerastl.apps.page.find_runtime import VERSION
from kerastl.layers import BlurredConv2D

pytestmark = [
    pytest.mark.tensorflow_only,
    pytest.mark.filterwarnings("ignore:The network starts from random"),
    pytest.mark.filterwarnings("ignore:Only .* images in `calibration`"),
]


def test_refuses_a_folder_that_is_in_use(finished_run, tiny_arguments):
    with pytest.raises(FileExistsError, match="--resume"):
        apps.fine_tune(**tiny_arguments, output=finished_run.output)


def test_resume_names_arguments_that_differ(finished_run, tiny_arguments):
    changed = {**tiny_arguments, "epochs": 5}
    with pytest.raises(ValueError, match="epochs was 2, is 5"):
        apps.fine_tune(
            **changed,
            method="ktft",
            antialias=3,
            blur_place="after",
            output=finished_run.output,
            resume=True,
        )


def test_resume_adds_missing_exports_only(tiny_arguments, tmp_path):
    """Also with blurs in the kernels, which is said wherever it belongs."""
    arguments = {**tiny_arguments, "epochs": 1, "output": tmp_path / "run"}
    arguments["antialias"] = 3
    arguments["exports"] = ["tflite:float32"]
    apps.fine_tune(**arguments)
    before = (tmp_path / "run" / "model.keras").stat().st_mtime_ns
    arguments["exports"] = ["tflite:float32", "onnx:float32"]
    result = apps.fine_tune(**arguments, resume=True)
    assert (tmp_path / "run" / "model.keras").stat().st_mtime_ns == before
    files = [row["file"] for row in result.report["exports"]]
    assert files == ["model_float32.tflite", "model_float32.onnx"]
    for row in result.report["exports"]:
        assert row["top1_agreement"] == 1.0
    rows = {row["layer"]: row for row in result.report["antialias"]["rows"]}
    assert "in kernel" in {row["action"] for row in rows.values()}
    text = result.report["summary"]["text"]
    assert "3-tap blurs in its strided kernels" in text
    assert "for 1 epoch on" in text
    assert isinstance(
        result.model.get_layer(
            next(n for n, r in rows.items() if r["action"] == "in kernel")
        ),
        BlurredConv2D,
    )
    state = json.loads((tmp_path / "run" / "run.json").read_text())
    assert state["arguments"]["blur_place"] == "kernel"
    card = (tmp_path / "run" / "MODEL_CARD.md").read_text()
    assert re.search(r"blur place \| +kernel", card)
    arguments["blur_place"] = "after"
    with pytest.raises(ValueError, match="blur_place was 'kernel', is 'after'"):
        apps.fine_tune(**arguments, resume=True)


def test_resume_adds_quantization_aware_training(
    finished_run, tiny_arguments, tmp_path
):
    output = shutil.copytree(finished_run.output, tmp_path / "run")
    before = (output / "model.keras").read_bytes()
    result = apps.fine_tune(
        **tiny_arguments,
        method="ktft",
        strength=0.5,
        antialias=3,
        blur_place="after",
        qat=1,
        output=output,
        resume=True,
    )
    assert (output / "model.keras").read_bytes() == before
    assert (output / "history.json").read_bytes() == (
        finished_run.output / "history.json"
    ).read_bytes()
    assert result.report["aware"]["history"]["epoch"] == [1]
    assert finished_run.aware_model is None
    layers = {layer.name: layer for layer in result.aware_model.layers}
    for layer in finished_run.model.layers:
        assert isinstance(layers[layer.name], type(layer))
    sources = [row["network"] for row in result.report["exports"]]
    assert sources == ["model_aware.keras"] * 2
    for row in result.report["exports"]:
        name = row["file"]
        assert (output / name).read_bytes() != (
            finished_run.output / name
        ).read_bytes()


@pytest.fixture
def own_run(finished_run, shapes, tiny_arguments, tmp_path):
    """A copy of the finished run and its photos, and how to resume it."""
    photos = shutil.copytree(shapes, tmp_path / "photos")
    output = shutil.copytree(finished_run.output, tmp_path / "run")

    def resume(**more):
        arguments = {**tiny_arguments, "data": photos, **more}
        return apps.fine_tune(
            **arguments,
            method="ktft",
            strength=0.5,
            antialias=3,
            blur_place="after",
            output=output,
            resume=True,
        )

    return photos, output, resume


@pytest.mark.parametrize("status", ["training", "trained", "finished"])
def test_resume_refuses_other_photos(own_run, status):
    photos, output, resume = own_run
    state = json.loads((output / "run.json").read_text())
    state["status"] = status
    (output / "run.json").write_text(json.dumps(state))
    before = {path: path.read_bytes() for path in output.glob("*.*")}
    (photos / "circle").rename(photos / "z5")
    with pytest.raises(ValueError, match=r"\['circle'\] are now \['z5'\]"):
        resume(exports=["tflite:dynamic"])
    (photos / "z5").rename(photos / "circle")
    shutil.copy(photos / "cross" / "00.png", photos / "circle" / "00.png")
    with pytest.raises(ValueError, match="circle has other images"):
        resume(exports=["tflite:dynamic"])
    assert {path: path.read_bytes() for path in output.glob("*.*")} == before


def test_resume_takes_photos_that_were_moved(own_run, tmp_path):
    photos, output, resume = own_run
    moved = photos.rename(tmp_path / "elsewhere")
    resume(data=os.path.relpath(moved), exports=["tflite:dynamic"])
    assert (output / "model_dynamic.tflite").exists()
    state = json.loads((output / "run.json").read_text())
    assert state["arguments"]["data"] == os.path.relpath(moved)
    # Others are not taken for them.
    shutil.copytree(moved, photos)
    shutil.copy(photos / "cross" / "00.png", photos / "circle" / "00.png")
    with pytest.raises(ValueError, match="circle has other images"):
        resume()


def test_resume_with_other_threads_times_anew(own_run):
    _, output, resume = own_run
    resume()
    report = json.loads((output / "report.json").read_text())
    before = {row["file"]: row for row in report["exports"]}
    files = [output / name for name in before]
    contents = [file.read_bytes() for file in files]
    for row in before.values():
        # No clock says this: what stands there afterwards was measured anew.
        row["latency_ms"] = 1e6
    (output / "report.json").write_text(json.dumps(report))
    report = resume(threads=2).report
    assert report["threads"] == 2
    for row in report["exports"]:
        old = before[row["file"]]
        assert (old["threads"], row["threads"]) == (1, 2)
        assert row["latency_ms"] < 1e5
        assert row["accuracy"] == old["accuracy"]
    assert [file.read_bytes() for file in files] == contents


def test_resume_compares_with_an_earlier_run(own_run, finished_run):
    _, output, resume = own_run
    weights = (output / "model.keras").read_bytes()
    found = resume(compare=finished_run.output).report["compared"]
    # It is a copy of that run.
    assert found["accuracy"] == finished_run.report["reference"]["accuracy"]
    assert found["difference"] == found["interval"] == 0
    assert found["same_photos"] is True
    assert (output / "model.keras").read_bytes() == weights
    report = json.loads((output / "report.json").read_text())
    assert report["compared"] == found
    for name in ("report.html", "MODEL_CARD.md"):
        assert found["text"] in (output / name).read_text()


def test_resume_writes_a_page(own_run, monkeypatch, tmp_path):
    _, output, resume = own_run
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    runtime = tmp_path / "cache" / "kerastl" / f"onnxruntime-web-{VERSION}"
    runtime.mkdir(parents=True)
    (runtime / "ort.wasm.bundle.min.mjs").write_bytes(b"export {};")
    (runtime / "ort-wasm-simd-threaded.wasm").write_bytes(b"\0asm")
    before = (output / "model_int8.onnx").stat().st_mtime_ns
    resume(page=True)
    assert "model_int8.onnx, 16 × 16" in (output / "try.html").read_text()
    assert (output / "model_int8.onnx").stat().st_mtime_ns == before


def test_a_page_without_its_runtime_is_refused_before_the_training(
    tiny_arguments, monkeypatch, tmp_path
):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", "")
    output = tmp_path / "run"
    with pytest.raises(FileNotFoundError, match="Node.js, is not installed"):
        apps.fine_tune(**tiny_arguments, page=True, output=output)
    assert not output.exists()


def test_resume_holds_old_files_to_a_new_gate(own_run):
    _, output, resume = own_run
    report = json.loads((output / "report.json").read_text())
    # As if the file that is there had lost much.
    report["exports"][0]["accuracy_drop"] = 0.5
    (output / "report.json").write_text(json.dumps(report))
    rows = resume(max_accuracy_drop=0.4).report["exports"]
    assert max(row["accuracy_drop"] for row in rows) < 0.4


def test_resume_writes_a_damaged_file_anew(own_run):
    _, output, resume = own_run
    before = {
        name: (output / name).read_bytes()
        for name in ("model_int8.tflite", "model_int8.onnx")
    }
    cut, changed = before
    (output / cut).write_bytes(before[cut][:1000])
    # One bit of the graph, in a weight that no reader would object to.
    data = bytearray(before[changed])
    data[len(data) // 2] ^= 1
    (output / changed).write_bytes(data)
    resume()
    assert {name: (output / name).read_bytes() for name in before} == before


@pytest.mark.parametrize(
    "name, content",
    [
        ("report.json", b"{"),
        ("report.json", b"[]"),
        ("report.json", b"{}"),
        ("model.keras", b"PK\x03\x04"),
    ],
)
def test_a_damaged_file_of_the_run_is_named(own_run, name, content):
    _, output, resume = own_run
    (output / name).write_bytes(content)
    with pytest.raises(ValueError, match=f"missing or damaged: .*{name}"):
        resume()


def test_damaged_class_means_are_named(finished_run, tiny_arguments, tmp_path):
    source = shutil.copytree(finished_run.output, tmp_path / "source")
    (source / "class_means.npz").write_bytes(b"PK")
    arguments = {**tiny_arguments, "weights": source / "model.keras"}
    with pytest.raises(ValueError, match="damaged.*class_means.npz"):
        apps.fine_tune(**arguments, output=tmp_path / "run")
    assert not (tmp_path / "run").exists()
