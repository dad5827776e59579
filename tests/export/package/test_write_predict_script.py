import json
import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from kerastl import apps
from kerastl.export import Metadata
from kerastl.export import write_metadata
from kerastl.export.package.write_predict_script import write_predict_script

pytestmark = pytest.mark.tensorflow_only

NAMES = ["ä dog", "cat", "no ne", "cow"]


@pytest.fixture
def device(files):
    """What a user copies to a device: the program and a file with its names."""
    write_metadata(files / "model.tflite", Metadata(NAMES))
    write_predict_script(files)
    (files / "model.onnx").unlink()
    return files


def run(device, *arguments):
    return subprocess.run(
        [sys.executable, "predict.py", *map(str, arguments)],
        cwd=device,
        capture_output=True,
        encoding="utf-8",
        env={**os.environ, "PYTHONUTF8": "1"},
    )


def photo(*shape):
    """A photo with large patches, as JPEG keeps them."""
    patches = np.random.default_rng(3).integers(0, 256, (6, 8, *shape[2:]))
    image = Image.fromarray(patches.astype("uint8"))
    return image.resize((shape[1], shape[0]), Image.Resampling.NEAREST)


def save_photos(folder):
    """Photos of every kind that the program reads."""
    large = photo(600, 800, 3)
    turned = Image.Exif()
    turned[0x0112] = 6
    saves = {
        "large.jpg": lambda path: large.save(path),
        "turned.jpg": lambda path: large.save(path, exif=turned),
        "grey.png": lambda path: photo(90, 60).save(path),
        "clear.png": lambda path: photo(50, 80, 4).save(path),
        "palette.gif": lambda path: photo(64, 64, 3).quantize(9).save(path),
        "inks.jpg": lambda path: large.convert("CMYK").save(path),
        "small.webp": lambda path: photo(9, 11, 3).save(path),
    }
    for name, save in saves.items():
        save(folder / name)
    return sorted(folder / name for name in saves)


def test_scores_are_those_of_predict_without_keras(
    device, tmp_path, run_in_new_interpreter
):
    photos = save_photos(tmp_path)
    found = run_in_new_interpreter(
        """
        import json
        import sys

        for name in ("tensorflow", "keras", "kerastl", "onnx", "scipy"):
            sys.modules[name] = None
        folder, *photos = sys.argv[1:]
        sys.path.insert(0, folder)
        import predict

        classifier = predict.Classifier(f"{folder}/model.tflite")
        scores = [classifier(photo).tolist() for photo in photos]
        print(json.dumps([classifier.names, scores]))
        """,
        device,
        *photos,
    )
    names, scores = json.loads(found)
    assert names == NAMES
    expected = apps.predict(device / "model.tflite", photos, top=4).predictions
    answers = set()
    for row, prediction in zip(scores, expected, strict=True):
        by_name = dict(zip(names, row, strict=True))
        for each in prediction["classes"]:
            assert by_name[each["class"]] == pytest.approx(
                each["score"], abs=1e-6
            )
        answers.add(tuple(row))
    # The photos differ in what the network says of them.
    assert len(answers) > 3


def test_an_older_one_is_replaced(tmp_path):
    (tmp_path / "predict.py").write_text("old")
    path = write_predict_script(tmp_path)
    assert path == tmp_path / "predict.py"
    assert "def read_photo" in path.read_text()


def test_it_prints_the_best_three(device, tmp_path):
    [photo] = save_photos(tmp_path)[:1]
    [prediction] = apps.predict(device / "model.tflite", [photo]).predictions
    said = [
        f"{each['class']} {each['score']:.1%}" for each in prediction["classes"]
    ]
    finished = run(device, "model.tflite", photo)
    assert finished.stdout == f"{photo}: {', '.join(said)}\n"


def test_it_says_how_it_is_used_and_what_it_cannot_read(device, tmp_path):
    assert "pip install ai-edge-litert" in run(device).stderr
    deep = tmp_path / "deep.png"
    Image.fromarray(np.full((20, 20), 40_000, "uint16")).save(deep)
    assert "more than 8 bits" in run(device, "model.tflite", deep).stderr
