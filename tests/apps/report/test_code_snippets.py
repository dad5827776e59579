"""The code in a report does what `predict` does."""

import ast
import html
import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys

import numpy as np
import pytest

from kerastl import apps
from kerastl.apps.data.decode_image import load_images
from kerastl.apps.report.code_snippets import code_snippets
from kerastl.export.package.write_c_array import write_c_array

STUB = pathlib.Path(__file__).parents[2] / "export/package/micro_stub"
# An image from a file, and LiteRT behind the interpreter.
MAIN = """
#include <cstdint>
#include <cstdio>
const char* classify(const std::uint8_t* image);
int main() {
  static std::uint8_t image[16 * 16 * 3];
  std::FILE* file = std::fopen("image.bin", "rb");
  if (std::fread(image, 1, sizeof image, file) != sizeof image) return 1;
  const char* said = classify(image);
  std::puts(said ? said : "nothing");
}
"""
RUN = """
import sys, numpy as np
from ai_edge_litert.interpreter import Interpreter
interpreter = Interpreter(sys.argv[1])
interpreter.allocate_tensors()
[into] = interpreter.get_input_details()
[out] = interpreter.get_output_details()
image = np.fromfile("input.bin", into["dtype"]).reshape(into["shape"])
interpreter.set_tensor(into["index"], image)
interpreter.invoke()
interpreter.get_tensor(out["index"]).tofile("output.bin")
"""

MEASURED = (
    "size_bytes",
    "accuracy",
    "accuracy_drop",
    "top1_agreement",
    "max_abs_difference",
    "latency_ms",
)


@pytest.fixture
def folder(colours, tmp_path):
    """A copy of a run, with its report and `photo.jpg`, a green one."""
    folder = shutil.copytree(colours, tmp_path / "run")
    (folder / "green.jpg").rename(folder / "photo.jpg")
    report = json.loads((folder / "report.json").read_text())
    report["confusion"]["matrix"] = np.eye(3, dtype=int).tolist()
    report |= {
        "title": "Colours",
        "created": "2025-01-02",
        "summary": {"text": "", "headline": []},
        "evaluated_on": "3 images",
        "threads": 1,
        "settings": {},
        "versions": {"kerastl": "1"},
    }
    for row in [*report["exports"], report["reference"]]:
        row |= dict.fromkeys(MEASURED)
    apps.write_report(report, folder / "report.html")
    return folder


def codes(folder, language):
    """The programs in the page of a run."""
    page = (folder / "report.html").read_text("utf-8")
    return [
        html.unescape(code)
        for code in re.findall(
            f'<code class="language-{language}">(.*?)</code>', page, re.DOTALL
        )
    ]


def said(folder, file):
    [found] = apps.predict(folder / file, [folder / "photo.jpg"]).predictions
    assert found["classes"][0]["class"] == "green"
    return found["classes"][0]


def test_the_python_in_the_page_says_what_predict_says(
    folder, monkeypatch, run_in_new_interpreter, run_in_fresh_process
):
    monkeypatch.chdir(folder)
    light, onnx, whole = codes(folder, "python")
    name, score = run_in_new_interpreter(light).split()
    assert name == "green"
    expected = said(folder, "model_int8.tflite")["score"]
    assert float(score) == pytest.approx(expected, abs=1e-6)

    name, score = run_in_new_interpreter(onnx).split()
    assert name == "green"
    # Pillow scales the photo in one step here.
    expected = said(folder, "model_float32.onnx")["score"]
    assert float(score) == pytest.approx(expected, abs=0.02)

    assert '"model.keras"' in whole
    found = ast.literal_eval(run_in_fresh_process(whole))
    assert found["class"] == "green"
    # The ONNX file is the same network.
    assert found["score"] == pytest.approx(expected, abs=1e-4)


def test_the_cpp_in_the_page_says_what_predict_says(folder):
    compiler = shutil.which("c++") or shutil.which("g++")
    if compiler is None:
        pytest.skip("there is no C++ compiler on this machine")
    [program] = codes(folder, "cpp")
    path = folder / "model_int8.tflite"
    write_c_array(path)
    (folder / "classify.cc").write_text(program)
    (folder / "main.cc").write_text(MAIN)
    pixels = load_images([folder / "photo.jpg"], 16)
    np.asarray(pixels, "uint8").tofile(folder / "image.bin")
    sources = ("main.cc", "classify.cc", "model_int8.cc")
    warnings = ("-std=c++11", "-Wall", "-Wextra", "-Werror")
    levels = f"-DINPUT={16 * 16 * 3}", "-DOUTPUT=3"
    subprocess.run(
        [compiler, *warnings, *levels, "-I", STUB, *sources, "-o", "program"],
        cwd=folder,
        check=True,
    )
    command = shlex.join([sys.executable, "-c", RUN, str(path)])
    printed = subprocess.run(
        [folder / "program"],
        cwd=folder,
        env={**os.environ, "RUN": command},
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    assert printed == said(folder, "model_int8.tflite")["class"] + "\n"


REPORT = {
    "confusion": {"class_names": ["a", "b"]},
    "reference": {"file": "model.keras"},
}


def row(file, dtype="float32", size=(20, 20, 3), outputs=2, **levels):
    return {
        "file": file,
        "format": file.rpartition(".")[2],
        "input": {
            "name": 'the "image"',
            "dtype": dtype,
            "shape": ["batch", *size],
            **levels,
        },
        "output": {"name": "b's", "dtype": dtype, "shape": ["batch", outputs]},
    }


def titles(*rows):
    found = code_snippets({**REPORT, "exports": list(rows)})
    return [each["title"] for each in found]


def test_there_is_code_for_what_ships_alone():
    keras = "Python, with kerastl: any of the files"
    assert titles() == [keras]
    assert code_snippets({}) == []
    assert titles(row("m_float32.tflite")) == [
        "Python, on a Raspberry Pi too: m_float32.tflite",
        keras,
    ]
    assert titles(
        row("m_float32.tflite"),
        row("m_int8.tflite", "int8", scale=1.0),
        row("m_int8.onnx"),
    ) == [
        "Python, on a Raspberry Pi too: m_float32.tflite",
        "Python, ONNX Runtime: m_int8.onnx",
        "JavaScript, in a browser: m_int8.onnx",
        "C++, on a microcontroller: m_int8.tflite",
        keras,
    ]
    # Pixels are not its levels, and these are no classifiers of photos.
    fine = row("m_int8.tflite", "int8", scale=0.5)
    assert not any("C++" in title for title in titles(fine))
    for other in (
        row("m.onnx", size=(20, 24, 3)),
        row("m.onnx", size=(20, 20, 1)),
        row("m.onnx", outputs=3),
    ):
        assert titles(other) == [keras]


def test_names_and_sizes_are_those_of_the_run():
    found = code_snippets({**REPORT, "exports": [row('my "best" 8.onnx')]})
    python, web = (each["code"] for each in found[:2])
    assert r'InferenceSession("my \"best\" 8.onnx")' in python
    assert "ImageOps.fit(photo, (28, 28)" in python
    assert '"float32")[4:24, 4:24]' in python
    assert r'{"the \"image\"": pixels[None]}' in python
    compile(python, "python", "exec")
    assert "* 20 / 28;" in web
    assert r'"the \"image\"": image }))["b' in web
    node = shutil.which("node")
    if node:
        command = [node, "--check", "--input-type=module", "-"]
        assert subprocess.run(command, input=web, text=True).returncode == 0
