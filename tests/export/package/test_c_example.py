"""The sketch, compiled, with frames of a camera and LiteRT behind it."""

import os
import pathlib
import shlex
import sys

import keras
import numpy as np
import pytest
from keras import layers
from PIL import Image

from kerastl.export import load
from kerastl.export import to_tflite
from kerastl.export.package.c_example import c_example
from kerastl.export.package.metadata import Metadata
from kerastl.export.package.metadata import write_metadata
from kerastl.export.package.write_c_array import write_c_array

pytestmark = pytest.mark.tensorflow_only

NAMES = ["red", 'the "green" one', "blue", "grün"]
STUB = pathlib.Path(__file__).with_name("micro_stub")
# Camera and program: frames come from a file.
MAIN = """
#include <cstdint>
#include <cstdio>

static std::FILE* frames = std::fopen("frames.bin", "rb");
bool read_frame(std::uint8_t* frame) {
  return std::fread(frame, 1, 160 * 120 * 2, frames) == 160 * 120 * 2;
}
void setup();
void loop();
int main() {
  setup();
  for (int count = 0; count < COUNT; ++count) loop();
}
"""
RUN = """
import sys, numpy as np
from ai_edge_litert.interpreter import Interpreter
interpreter = Interpreter(sys.argv[1])
interpreter.allocate_tensors()
[into] = interpreter.get_input_details()
[out] = interpreter.get_output_details()
image = np.fromfile("input.bin", into["dtype"])
with open("inputs.bin", "ab") as file:
    file.write(image.tobytes())
interpreter.set_tensor(into["index"], image.reshape(into["shape"]))
interpreter.invoke()
interpreter.get_tensor(out["index"]).tofile("output.bin")
"""


def to_frame(photo):
    """RGB565 of a photo, 160 x 120, the high byte first; and its colours."""
    red, green, blue = np.moveaxis(photo.astype("uint16"), -1, 0)
    pixels = (red >> 3) << 11 | (green >> 2) << 5 | blue >> 3
    # The bits that are cut off are the first of those that are left.
    colours = [
        levels * 2 ** (8 - bits) + levels // 2 ** (2 * bits - 8)
        for levels, bits in (
            (pixels >> 11, 5),
            (pixels >> 5 & 63, 6),
            (pixels & 31, 5),
        )
    ]
    return pixels.astype(">u2").tobytes(), np.stack(colours, axis=-1)


def middle_square(colours, size):
    """Means of the pixels under each of size x size squares."""
    edges = np.arange(size + 1) * 120 // size
    square = colours[:, 20:140]
    rows = np.add.reduceat(square, edges[:-1], axis=0)
    sums = np.add.reduceat(rows, edges[:-1], axis=1)
    counts = np.diff(edges)
    return sums / (counts[:, None] * counts)[..., None]


@pytest.mark.parametrize("scheme", ["int8", "uint8_io", "float32"])
def test_it_prints_the_class_of_what_the_camera_sees(
    cnn, calibration, evaluation, run_cpp, tmp_path, scheme
):
    path = tmp_path / "model.tflite"
    to_tflite(cnn, path, scheme, calibration=calibration)
    labelled = scheme != "float32"
    if labelled:
        write_metadata(path, Metadata(NAMES))
    _, source, example = write_c_array(path)
    images = np.clip(np.round(evaluation[0][:4]), 0, 255).astype("uint8")
    assert sorted(evaluation[1][:4]) == [0, 1, 2, 3]
    photos = [np.full((120, 160, 3), 255, "uint8") for _ in images]
    for photo, image in zip(photos, images, strict=True):
        photo[:, 20:140] = Image.fromarray(image).resize((120, 120))
    frames, colours = zip(*map(to_frame, photos), strict=True)
    (tmp_path / "frames.bin").write_bytes(b"".join(frames))
    (tmp_path / "main.cc").write_text(MAIN)
    runner = load(path)
    number = np.dtype(runner.input["dtype"])
    printed = run_cpp(
        f"-DINPUT={24 * 24 * 3 * number.itemsize}",
        "-DCOUNT=5",
        f"-DOUTPUT={4 * number.itemsize}",
        *("-I", STUB, "main.cc", source, example),
        env={
            **os.environ,
            "RUN": shlex.join([sys.executable, "-c", RUN, str(path)]),
        },
    )
    seen = np.fromfile(tmp_path / "inputs.bin", number).astype("float64")
    seen -= runner.input.get("zero_point", 0)
    expected = np.stack([middle_square(each, 24) for each in colours])
    np.testing.assert_allclose(
        seen, expected.ravel(), atol=0.501 if labelled else 1e-4
    )
    scores = runner.predict(seen.reshape(4, 24, 24, 3))
    said = []
    for row in scores:
        best = int(row.argmax())
        name = NAMES[best] if labelled else f"class {best}"
        said.append(f"{name}: {np.floor(100 * row[best] + 0.5):.0f} %")
    assert printed.splitlines() == said
    assert len({line.split(":")[0] for line in said}) >= 3


def test_the_readme_shows_its_loop(files):
    page = pathlib.Path(__file__).parents[3] / "export/README.md"
    shown = page.read_text().partition("```cpp\n")[2].partition("```")[0]
    write_metadata(files / "model.tflite", Metadata(NAMES))
    *_, example = write_c_array(files / "model.tflite", name="model_int8")
    assert shown.startswith("void loop()")
    assert shown in example.read_text()


def test_a_sketch_that_is_there_is_left_alone(files):
    *_, example = write_c_array(files / "model.tflite")
    example.write_text("mine")
    assert write_c_array(files / "model.tflite", overwrite=True)[2] == example
    assert example.read_text() == "mine"


@pytest.mark.parametrize(
    "shape, outputs", [((8, 8, 1), 3), ((8, 6, 3), 3), ((8, 8, 3), 1)]
)
def test_other_networks_have_none(tmp_path, shape, outputs):
    inputs = keras.Input(shape)
    x = layers.Dense(outputs)(layers.GlobalAveragePooling2D()(inputs))
    to_tflite(keras.Model(inputs, x), tmp_path / "a.tflite", "float32")
    assert c_example("a", load(tmp_path / "a.tflite"), False) is None
    assert len(write_c_array(tmp_path / "a.tflite")) == 2
