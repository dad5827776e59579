"""Beginnings of programs that use the files of a run."""

import json

from kerastl.apps.data.decode_image import default_margin
from kerastl.export.package.c_example import c_identifier

_TFLITE = """\
from predict import Classifier

classifier = Classifier({file})
scores = classifier("photo.jpg")
print(classifier.names[scores.argmax()], scores.max())
"""
_ONNX = """\
import numpy as np
import onnxruntime
from PIL import Image, ImageOps

session = onnxruntime.InferenceSession({file})
with Image.open("photo.jpg") as photo:
    photo = ImageOps.exif_transpose(photo).convert("RGB")
photo = ImageOps.fit(photo, ({side}, {side}), Image.Resampling.BILINEAR)
pixels = np.asarray(photo, "float32")[{start}:{end}, {start}:{end}]
[scores] = session.run(None, {{{input}: pixels[None]}})[0]
with open("labels.txt", encoding="utf-8") as file:
    names = file.read().split("\\n")
print(names[scores.argmax()], scores.max())
"""
_WEB = """\
import * as ort from "onnxruntime-web";

const session = await ort.InferenceSession.create({file});
const labels = (await (await fetch("labels.txt")).text()).split("\\n");
const context = new OffscreenCanvas({size}, {size}).getContext("2d");
context.imageSmoothingQuality = "high";

// photo: an ImageBitmap, such as createImageBitmap makes of a file.
export async function classify(photo) {{
  const side = Math.min(photo.width, photo.height) * {size} / {side};
  const left = (photo.width - side) / 2, top = (photo.height - side) / 2;
  context.drawImage(photo, left, top, side, side, 0, 0, {size}, {size});
  const {{ data }} = context.getImageData(0, 0, {size}, {size});
  const pixels = Float32Array.from(data.filter((_, at) => at % 4 < 3));
  const image = new ort.Tensor("float32", pixels, [1, {size}, {size}, 3]);
  const scores = (await session.run({{ {input}: image }}))[{output}].data;
  return labels[scores.indexOf(Math.max(...scores))];
}}
"""
_MICRO = """\
#include <algorithm>
#include <cstdint>

#include "{name}.h"
#include "tensorflow/lite/micro/micro_interpreter.h"
#include "tensorflow/lite/micro/micro_mutable_op_resolver.h"
#include "tensorflow/lite/schema/schema_generated.h"

alignas(16) static std::uint8_t arena[{name}_arena_size];

// image: {size} x {size} pixels, row by row, of each red, green and blue.
const char* classify(const std::uint8_t* image) {{
  static tflite::MicroMutableOpResolver<{name}_num_operators> resolver;
  static tflite::MicroInterpreter interpreter(
      tflite::GetModel({name}), resolver, arena, {name}_arena_size);
  static const bool ready = {name}_add_operators(resolver) &&
                            interpreter.AllocateTensors() == kTfLiteOk;
  if (!ready) return nullptr;
  auto* input = interpreter.input(0)->data.{member};
  for (int at = 0; at < {size} * {size} * 3; ++at)
    input[at] = image[at] + {name}_input_zero_point;
  if (interpreter.Invoke() != kTfLiteOk) return nullptr;
  const auto* scores = interpreter.output(0)->data.{out_member};
  return {name}_labels[std::max_element(scores, scores + {classes}) - scores];
}}
"""
_KERASTL = """\
from kerastl import apps

result = apps.predict({file}, ["photo.jpg"])
print(result.predictions[0]["classes"][0])
"""


def code_snippets(report):
    """Returns programs for the files of a run, with their names and sizes.

    There is one for each way to use the first file that can be used so. Those
    that tell classes apart on square RGB images have one alone.

    Args:
        report: Dict as in a run folder's `report.json`.

    Returns:
        List of dicts of `title`, `language`, `code`, `shell`, the commands to
        give first, and `note`; the last two may be empty.
    """
    if not report.get("reference"):
        return []
    names = (report.get("confusion") or {}).get("class_names", ())
    rows = [
        row
        for row in report.get("exports") or ()
        if _is_classifier(row, len(names))
    ]
    found = []
    for make in (_with_litert, _with_onnxruntime, _in_browser, _on_controller):
        snippets = (make(row) for row in rows)
        found.append(next((each for each in snippets if each), None))
    return [*filter(None, found), _with_kerastl(report["reference"]["file"])]


def _is_classifier(row, classes):
    if "input" not in row:
        return False
    _, *size = row["input"]["shape"]
    return (
        len(size) == 3
        and size[0] == size[1]
        and size[2] == 3
        and classes > 1
        and row["output"]["shape"][1:] == [classes]
    )


def _with_litert(row):
    if row["format"] != "tflite":
        return None
    return _snippet(
        "Python, on a Raspberry Pi too",
        row,
        "python",
        _TFLITE,
        shell="pip install ai-edge-litert numpy pillow",
        note="Copy the file and predict.py, which is beside this report.",
    )


def _with_onnxruntime(row):
    if row["format"] != "onnx" or row["input"]["dtype"] != "float32":
        return None
    return _snippet(
        "Python, ONNX Runtime",
        row,
        "python",
        _ONNX,
        shell="pip install onnxruntime numpy pillow",
    )


def _in_browser(row):
    if row["format"] != "onnx" or row["input"]["dtype"] != "float32":
        return None
    return _snippet(
        "JavaScript, in a browser",
        row,
        "javascript",
        _WEB,
        shell="npm install onnxruntime-web",
        note=f"kerastl page {row['file']} writes a whole page, which opens the "
        "camera and works offline.",
    )


def _on_controller(row):
    whole = all(
        row[each]["dtype"] in ("int8", "uint8") for each in ("input", "output")
    )
    # Of another scale, pixels are not the levels themselves.
    if not whole or row["format"] != "tflite" or row["input"]["scale"] != 1:
        return None
    return _snippet(
        "C++, on a microcontroller",
        row,
        "cpp",
        _MICRO,
        shell=f"kerastl carray {row['file']}",
        note=f"TensorFlow Lite Micro. {c_identifier(_stem(row))}_example.cc is "
        "a whole sketch, with a camera.",
    )


def _with_kerastl(file):
    return {
        "title": "Python, with kerastl: any of the files",
        "language": "python",
        "code": _KERASTL.format(file=json.dumps(file)),
        "shell": "",
        "note": "",
    }


def _stem(row):
    return row["file"].rpartition(".")[0]


def _snippet(title, row, language, code, shell="", note=""):
    size = row["input"]["shape"][1]
    margin = default_margin(size)
    return {
        "title": f"{title}: {row['file']}",
        "language": language,
        "code": code.format(
            file=json.dumps(row["file"]),
            input=json.dumps(row["input"]["name"]),
            output=json.dumps(row["output"]["name"]),
            name=c_identifier(_stem(row)),
            size=size,
            side=size + margin,
            start=margin // 2,
            end=margin // 2 + size,
            classes=row["output"]["shape"][1],
            member=row["input"]["dtype"],
            out_member=row["output"]["dtype"],
        ),
        "shell": shell,
        "note": note,
    }
