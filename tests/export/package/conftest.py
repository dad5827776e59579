"""Files to package: the small classifier as int8 TFLite and as ONNX."""

import shutil

import pytest

from kerastl.export import to_onnx
from kerastl.export import to_tflite


@pytest.fixture(scope="session")
def plain_files(cnn, calibration, tmp_path_factory):
    folder = tmp_path_factory.mktemp("plain")
    to_tflite(
        cnn, folder / "model.tflite", calibration=calibration, refine="none"
    )
    to_onnx(cnn, folder / "model.onnx", "float32")
    return folder


@pytest.fixture
def files(plain_files, tmp_path):
    """A folder with a copy of its own of `model.tflite` and `model.onnx`."""
    return shutil.copytree(plain_files, tmp_path / "files")
