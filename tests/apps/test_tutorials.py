"""The tutorials run as they stand, and print what they promise."""

import os
import pathlib
import re
import subprocess
import sys

import pytest

from kerastl import apps

pytestmark = [pytest.mark.slow, pytest.mark.tensorflow_only]

FOLDER = pathlib.Path(apps.__file__).parent / "tutorials"


@pytest.fixture
def run(tmp_path):
    def run(name):
        finished = subprocess.run(
            [sys.executable, str(FOLDER / name)],
            cwd=tmp_path,
            env={**os.environ, "TF_NUM_INTRAOP_THREADS": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert finished.returncode == 0, finished.stderr[-2000:]
        return finished.stdout

    return run


def share(pattern, text):
    return float(re.search(pattern + r" +(\d+\.\d) %", text)[1])


def test_every_tutorial_is_tried():
    text = pathlib.Path(__file__).read_text()
    for file in FOLDER.glob("*.py"):
        assert f'run("{file.name}")' in text


def test_the_notebook(run, tmp_path):
    said = run("notebook.py")
    assert "4 anti-aliased" in said
    accuracy = share("accuracy", said)
    # A network that is drawn at random names a fifth.
    assert accuracy > 85
    assert share("shift consistency", said) > 80
    for file in ("digits.tflite", "digits.onnx"):
        assert f"file           {file}" in said
        assert (tmp_path / file).stat().st_size < 150_000
    assert said.count(f"{accuracy} % in Keras") == 2
    assert said.count("671 evaluation images") == 2


def test_the_raspberry_pi(run, tmp_path):
    said = run("raspberry_pi.py")
    # Of so few features nothing but fine-tuning is expected to gain.
    assert share("After: Fine-tuning", said) > 85
    guessed = re.findall(r"a_(\d)\.png: (\d) (\d+\.\d)%", said)
    assert len(guessed) == 5
    assert sum(name == first for name, first, _ in guessed) >= 3
    folder = tmp_path / "runs/raspberry_pi"
    assert (folder / "predict.py").exists()


def test_the_microcontroller(run, tmp_path):
    said = run("microcontroller.py")
    assert "result         passed" in said
    assert "Written from model_aware.keras: model_int8.tflite" in said
    folder = tmp_path / "runs/microcontroller/firmware"
    source = (folder / "digits.cc").read_text()
    labels = re.search(r"digits_labels\[5\] = \{([^}]*)\}", source)[1]
    assert re.findall(r'"(.)"', labels) == ["5", "6", "7", "8", "9"]
    assert "void loop()" in (folder / "digits_example.cc").read_text()
