"""Every public function that takes a path refuses what is none, by name."""

import inspect
import pathlib

import keras
import numpy as np
import pytest

from kerastl import apps
from kerastl import export

pytestmark = pytest.mark.tensorflow_only

WRONG = {"number": 5, "bytes": b"a", "nothing in it": "", "null": "a\0b"}
# Where `None` is one of the choices.
OPTIONAL = {
    "benchmark.threads",
    "choose.weights",
    "export_model.output",
    "export_model.photos",
    "fine_tune.compare",
    "fine_tune.teacher",
    "fine_tune.unlabelled",
    "fine_tune.weights",
    "inspect_photos.output",
    "inspect_photos.weights",
    "load_image_folder.unlabelled",
    "write_c_array.folder",
    "write_page.output",
    "write_page.runtime",
}
REPORT = {"title": "t", "confusion": []}
# Where the pictures are that the report shows, read when all else is there.
BESIDE = "write_report.folder"


@pytest.fixture(scope="module")
def calls(shapes, tmp_path_factory):
    """Dict from function and argument to a call with all others right."""
    folder = tmp_path_factory.mktemp("files")
    inputs = keras.Input((16, 16, 3))
    x = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(2, 3)(inputs))
    model = keras.Model(inputs, keras.layers.Dense(3, "softmax")(x))
    saved, file = folder / "model.keras", folder / "model.tflite"
    model.save(saved)
    export.to_tflite(model, file, scheme="float32")
    images = np.zeros((4, 16, 16, 3), "float32")
    labels = np.zeros(4, "int32")
    new = folder / "new"
    tiny = {"preset": "resnet8", "image_size": 16, "output": new}
    return {
        "benchmark.files": lambda value: apps.benchmark([value]),
        "choose.photos": apps.choose,
        "choose.weights": lambda value: apps.choose(shapes, weights=value),
        "detect_anomalies.normal": lambda value: apps.detect_anomalies(
            value, model
        ),
        "diagnose_file.model": lambda value: apps.diagnose_file(
            value, file, shapes
        ),
        "diagnose_file.file": lambda value: apps.diagnose_file(
            saved, value, shapes
        ),
        "diagnose_file.photos": lambda value: apps.diagnose_file(
            saved, file, value
        ),
        "draw_choice.path": lambda value: apps.draw_choice(None, value),
        "draw_diagnosis.path": lambda value: apps.draw_diagnosis(None, value),
        "evaluate_model.model": lambda value: apps.evaluate_model(
            value, shapes
        ),
        "evaluate_model.photos": lambda value: apps.evaluate_model(
            saved, value
        ),
        "export_model.model": apps.export_model,
        "export_model.photos": lambda value: apps.export_model(
            saved, photos=value, output=folder / "a.tflite"
        ),
        "export_model.output": lambda value: apps.export_model(
            saved, output=value
        ),
        "fine_tune.data": lambda value: apps.fine_tune(value, **tiny),
        "fine_tune.weights": lambda value: apps.fine_tune(
            shapes, weights=value, **tiny
        ),
        "fine_tune.unlabelled": lambda value: apps.fine_tune(
            shapes, method="akc", unlabelled=value, **tiny
        ),
        "fine_tune.teacher": lambda value: apps.fine_tune(
            shapes, teacher=value, **tiny
        ),
        "fine_tune.compare": lambda value: apps.fine_tune(
            shapes, compare=value, **tiny
        ),
        "fine_tune.output": lambda value: apps.fine_tune(
            shapes, **{**tiny, "output": value}
        ),
        "inspect_photos.path": apps.inspect_photos,
        "inspect_photos.output": lambda value: apps.inspect_photos(
            shapes, value
        ),
        "inspect_photos.weights": lambda value: apps.inspect_photos(
            shapes, weights=value, preset="resnet8", image_size=32
        ),
        "load_image_folder.path": lambda value: apps.load_image_folder(
            value, 16
        ),
        "load_image_folder.unlabelled": lambda value: apps.load_image_folder(
            shapes, 16, unlabelled=value
        ),
        "load_legacy_h5.path": apps.load_legacy_h5,
        "load_weights_into.weights": lambda value: apps.load_weights_into(
            model, value
        ),
        "predict.model": lambda value: apps.predict(value, ["a.jpg"]),
        "predict.images": lambda value: apps.predict(file, [value]),
        "quickstart.output": apps.quickstart,
        "write_model_card.path": lambda value: apps.write_model_card(
            REPORT, value
        ),
        "write_page.model": apps.write_page,
        "write_page.output": lambda value: apps.write_page("a.onnx", value),
        "write_page.runtime": lambda value: apps.write_page(
            "a.onnx", folder / "a.html", value
        ),
        "write_report.path": lambda value: apps.write_report(REPORT, value),
        "check.path": export.check,
        "diagnose.path": lambda value: export.diagnose(model, value, images),
        "evaluate.path_or_model": lambda value: export.evaluate(
            value, (images, labels)
        ),
        "load.path_or_model": export.load,
        "read_metadata.path": export.read_metadata,
        "write_metadata.path": lambda value: export.write_metadata(
            value, export.Metadata(["a", "b", "c"])
        ),
        "selective_int8.path": lambda value: export.selective_int8(
            model, value, calibration=images, evaluation=(images, labels)
        ),
        "to_onnx.path": lambda value: export.to_onnx(
            model, value, scheme="float32"
        ),
        "to_tflite.path": lambda value: export.to_tflite(
            model, value, scheme="float32"
        ),
        "write_c_array.path": export.write_c_array,
        "write_c_array.folder": lambda value: export.write_c_array(file, value),
        "write_esp_project.path": lambda value: export.write_esp_project(
            value, folder / "esp"
        ),
        "write_esp_project.folder": lambda value: export.write_esp_project(
            file, value
        ),
    }


def public_paths():
    """What takes a path, by its annotation."""
    for package in (apps, export):
        for name in package.__all__:
            function = getattr(package, name)
            if not inspect.isfunction(function):
                continue
            for parameter in inspect.signature(function).parameters.values():
                taken = f"{name}.{parameter.name}"
                if "PathLike" in str(parameter.annotation) and taken != BESIDE:
                    yield taken


def test_none_is_left_out(calls):
    assert set(public_paths()) == set(calls)


@pytest.mark.parametrize("name", sorted(public_paths()))
def test_what_is_no_path_is_refused_by_name(calls, name):
    argument = name.partition(".")[2]
    wrong = dict(WRONG)
    if name not in OPTIONAL:
        wrong["none"] = None
    for value in wrong.values():
        with pytest.raises(
            ValueError, match="(must be|is) .*Received: "
        ) as err:
            calls[name](value)
        if not name.endswith("images") and "model" not in argument:
            assert f"{value!r}" in str(err.value)


@pytest.mark.parametrize(
    "name", ["load.path_or_model", "fine_tune.weights", "predict.model"]
)
def test_a_folder_is_no_file(calls, name, tmp_path):
    with pytest.raises(ValueError, match="is a folder"):
        calls[name](tmp_path)
    (tmp_path / "model.keras").write_bytes(b"")
    with pytest.raises(ValueError, match="Name a file in it: .*model.keras"):
        calls[name](pathlib.Path(tmp_path))


@pytest.mark.parametrize(
    "name", ["evaluate_model.photos", "fine_tune.data", "inspect_photos.path"]
)
def test_a_file_is_no_folder(calls, name, tmp_path):
    file = tmp_path / "photo.jpg"
    file.write_bytes(b"")
    with pytest.raises(NotADirectoryError, match="is a file"):
        calls[name](file)
