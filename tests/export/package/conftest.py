"""Files to package: the small classifier as int8 TFLite and as ONNX."""

import shutil
import subprocess

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


@pytest.fixture
def compile_cpp(tmp_path):
    """Compiles C++ in `tmp_path`, with warnings as errors."""
    compiler = (
        shutil.which("c++") or shutil.which("g++") or shutil.which("clang++")
    )
    if compiler is None:
        pytest.skip("there is no C++ compiler on this machine")

    def run(*arguments):
        command = [compiler, "-std=c++11", "-Wall", "-Wextra", "-Werror"]
        subprocess.run(
            [*command, *map(str, arguments)], check=True, cwd=tmp_path
        )

    return run


@pytest.fixture
def run_cpp(compile_cpp, tmp_path):
    """Compiles a program in `tmp_path`, and returns what it prints there."""

    def run(*arguments, env=None):
        compile_cpp(*arguments, "-o", "program")
        finished = subprocess.run(
            [tmp_path / "program"],
            check=True,
            cwd=tmp_path,
            capture_output=True,
            encoding="utf-8",
            env=env,
        )
        return finished.stdout

    return run
