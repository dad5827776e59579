import importlib
import os
import re

import numpy as np
import pytest

from kerastl.export import load
from kerastl.export import to_tflite
from kerastl.export.package.metadata import Metadata
from kerastl.export.package.metadata import write_metadata
from kerastl.export.package.write_c_array import write_c_array
from kerastl.export.targets.check import check
from kerastl.export.targets.check_report import TargetError

pytestmark = pytest.mark.tensorflow_only

# By its name: what the package has under it is the function.
module = importlib.import_module(write_c_array.__module__)

NAMES = ["red", 'the "green" one??', "blue", "grün"]

# Stands in for tflite::MicroMutableOpResolver, which takes the same calls.
PROGRAM = """
#include <cstdint>
#include <cstdio>
#include "model.h"
#include "model.h"

template <int capacity>
struct Resolver {
  int count = 0;
  int Add(const char* name) {
    std::printf("%s\\n", name);
    return ++count <= capacity ? 0 : 1;
  }
METHODS
};

int main() {
  Resolver<model_num_operators> resolver;
  if (!model_add_operators(resolver)) return 1;
  Resolver<model_num_operators - 1> small;
  if (model_add_operators(small)) return 2;
  if (reinterpret_cast<std::uintptr_t>(model) % 16) return 3;
  for (const char* label : model_labels) std::printf("%s\\n", label);
  std::printf("%d %zu %zu\\n", model_num_labels, model_size, model_arena_size);
  std::printf("%.9g %d %.9g %d\\n", model_input_scale, model_input_zero_point,
              model_output_scale, model_output_zero_point);
  std::FILE* file = std::fopen("copy.tflite", "wb");
  std::fwrite(model, 1, model_size, file);
  std::fclose(file);
}
"""


def test_the_source_compiles_and_holds_the_graph(
    files, tmp_path, run_cpp, evaluation
):
    path = files / "model.tflite"
    graph = path.read_bytes()
    write_metadata(path, Metadata(NAMES))
    header, source, _ = write_c_array(path, tmp_path)
    methods = sorted(set(re.findall(r"\.(Add\w+)\(", header.read_text())))
    program = tmp_path / "main.cc"
    program.write_text(
        PROGRAM.replace(
            "METHODS",
            "\n".join(
                f'  int {name}() {{ return Add("{name}"); }}'
                for name in methods
            ),
        )
    )
    printed = run_cpp("-pedantic", program, source)
    lines = printed.splitlines()
    report = check(path, "tflite-micro")
    runner = load(path)
    assert len(methods) == len(report.operators)
    assert set(methods) <= set(lines)
    assert lines[-6:-2] == NAMES
    assert lines[-2] == f"4 {len(graph)} {report.arena_bytes}"
    scales = [float(each) for each in lines[-1].split()]
    assert scales == pytest.approx(
        [
            runner.input["scale"],
            runner.input["zero_point"],
            runner.output["scale"],
            runner.output["zero_point"],
        ]
    )
    # The metadata takes no flash; what is left computes the same.
    assert (tmp_path / "copy.tflite").read_bytes() == graph
    np.testing.assert_array_equal(
        load(tmp_path / "copy.tflite").predict(evaluation[0]),
        runner.predict(evaluation[0]),
    )


def test_tflite_micro_runs_it_in_the_arena_that_is_declared(files):
    micro = pytest.importorskip(
        "tflite_micro.python.tflite_micro.runtime",
        reason="needs the package tflite-micro (Linux on x86-64)",
    )
    header, *_ = write_c_array(files / "model.tflite")
    size = int(re.search(r"arena_size = (\d+)", header.read_text())[1])
    interpreter = micro.Interpreter.from_file(
        str(files / "model.tflite"), arena_size=size
    )
    runner = load(files / "model.tflite")
    image = np.random.default_rng(0).integers(0, 256, (1, 24, 24, 3))
    interpreter.set_input((image - 128).astype("int8"), 0)
    interpreter.invoke()
    expected = runner.predict(image) / runner.output["scale"] - 128
    np.testing.assert_allclose(interpreter.get_output(0), expected, atol=1.01)


def test_a_float_file_without_labels(cnn, tmp_path, compile_cpp):
    to_tflite(cnn, tmp_path / "8 floats.tflite", "float32")
    header, source, _ = write_c_array(tmp_path / "8 floats.tflite")
    assert (header.name, source.name) == (
        "model_8_floats.h",
        "model_8_floats.cc",
    )
    assert "labels" not in header.read_text()
    assert "scale" not in header.read_text()
    # What phones read in a file would take flash for nothing.
    write_metadata(tmp_path / "8 floats.tflite", Metadata(NAMES))
    assert b"TFLITE_METADATA" in (tmp_path / "8 floats.tflite").read_bytes()
    before = source.read_text()
    write_c_array(tmp_path / "8 floats.tflite", overwrite=True)
    copy = bytes.fromhex(
        "".join(re.findall(r"0x(\w\w)", source.read_text().split("};")[0]))
    )
    assert b"TFLITE_METADATA" not in copy
    assert len(copy) < 1.1 * len(re.findall("0x", before))
    compile_cpp("-c", source)


def test_what_a_microcontroller_cannot_run_is_refused(cnn, tmp_path):
    to_tflite(cnn, tmp_path / "half.tflite", "float16")
    with pytest.raises(TargetError, match="DEQUANTIZE in float16"):
        write_c_array(tmp_path / "half.tflite")
    assert os.listdir(tmp_path) == ["half.tflite"]


def test_existing_sources_are_kept(files):
    write_c_array(files / "model.tflite", name="net")
    (files / "net.h").write_text("mine")
    with pytest.raises(FileExistsError, match="overwrite=True"):
        write_c_array(files / "model.tflite", name="net")
    assert (files / "net.h").read_text() == "mine"
    write_c_array(files / "model.tflite", name="net", overwrite=True)
    assert "kerastl" in (files / "net.h").read_text()


def test_a_question_mark_never_begins_a_trigraph(files):
    """In C++11 `??/` is a backslash, even inside of a string."""
    write_metadata(
        files / "model.tflite", Metadata(["a??/b", "what?", "c", "d"])
    )
    _, source, _ = write_c_array(files / "model.tflite")
    [_, labels] = source.read_text().split("_labels")
    assert r'"a\077\077/b"' in labels
    assert "?" not in labels


def test_the_bytes_stand_twelve_a_line():
    text = module._source("a", bytes(range(30)), ["one", 'a "b"'])
    assert (
        text
        == """\
#include "a.h"

alignas(16) const unsigned char a[] = {
    0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0a, 0x0b,
    0x0c, 0x0d, 0x0e, 0x0f, 0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17,
    0x18, 0x19, 0x1a, 0x1b, 0x1c, 0x1d,
};
const std::size_t a_size = sizeof(a);

const char* const a_labels[2] = {
    "one",
    "a \\042b\\042",
};
"""
    )
    assert module._source("a", b"\xff", []).endswith(
        "    0xff,\n};\nconst std::size_t a_size = sizeof(a);\n"
    )


@pytest.mark.parametrize(
    "text, quoted",
    [
        (" ~", '" ~"'),
        ("\x1f\x7f", '"\\037\\177"'),
        ("ü", '"\\303\\274"'),
        ('"\\?', '"\\042\\134\\077"'),
    ],
)
def test_texts_are_quoted_for_c(text, quoted):
    assert module._quote(text) == quoted


def test_tensors_are_told_with_their_levels_if_they_have_any():
    tensor = {"dtype": "int8", "shape": [1, 8, 3]}
    assert module._constants("a", "input", tensor) == (
        "// The input is int8 (1, 8, 3)."
    )
    tensor |= {"scale": 0.5, "zero_point": -3}
    assert module._constants("a", "output", tensor).splitlines() == [
        "// The output is int8 (1, 8, 3): real = scale * (integer - zero "
        "point).",
        "constexpr float a_output_scale = 0.5f;",
        "constexpr int a_output_zero_point = -3;",
    ]


def test_a_sketch_of_the_users_own_is_kept(files):
    *_, example = write_c_array(files / "model.tflite")
    assert "void loop()" in example.read_text()
    example.write_text("mine")
    write_c_array(files / "model.tflite", overwrite=True)
    assert example.read_text() == "mine"
