"""kerastl export with photos of no class."""

import shutil

import numpy as np
import pytest
from typer.testing import CliRunner

from kerastl import apps
from kerastl import export
from kerastl_command_line.app import app

pytestmark = pytest.mark.tensorflow_only


@pytest.fixture
def loose(shapes, tmp_path):
    """The photos of all classes in one folder, and a file that is none."""
    folder = tmp_path / "loose"
    folder.mkdir()
    for photo in sorted(shapes.glob("*/*.png")):
        shutil.copy(photo, folder / f"{photo.parent.name}-{photo.name}")
    (folder / "notes.txt").write_text("of last summer")
    return folder


def test_loose_photos_calibrate(finished_run, shapes, loose, tmp_path):
    model, output = finished_run.output / "model.keras", tmp_path / "a.tflite"
    done = CliRunner().invoke(
        app,
        ["export", str(model), "--calibration", str(loose)]
        + ["--output", str(output)],
    )
    assert done.exit_code == 0, done.output
    assert "Only 45 images" in done.output
    side = export.load(model).input_shape[0]
    # The same photos in the same order, read as class folders.
    data = apps.load_image_folder(shapes, side, validation_split=0)
    images, _ = data.images("train")
    with pytest.warns(UserWarning, match="Only 45 images"):
        export.to_tflite(
            finished_run.model, tmp_path / "b.tflite", calibration=images
        )
    answers = [
        export.load(tmp_path / name).predict(images)
        for name in ("a.tflite", "b.tflite")
    ]
    np.testing.assert_array_equal(*answers)


def test_a_loss_is_not_measured_on_loose_photos(finished_run, loose):
    model = finished_run.output / "model.keras"
    for asked in ({"max_accuracy_drop": 0.01}, {"keep_float": "auto"}):
        with pytest.raises(ValueError, match="of no class"):
            apps.export_model(model, photos=loose, **asked)
