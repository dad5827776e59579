"""Says what is on photos, with LiteRT, NumPy and Pillow alone.

    pip install ai-edge-litert numpy pillow
    python predict.py model_int8.tflite photo.jpg

Copy this file and a .tflite file of kerastl to the device: the class names and
all preprocessing but the cutting are in the model.
"""

import sys
import zipfile

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from PIL import Image
from PIL import ImageOps


def read_photo(path, size):
    """Returns the middle of a photo, `(size, size, 3)`, values 0 to 255."""
    border = max(8, round(0.15 * size))  # cut off: in training it gives room
    side = size + border
    with Image.open(path) as image:
        image.draft(None, (side, side))
        image = ImageOps.exif_transpose(image)
        if image.mode[0] in "IF":
            raise ValueError(f"more than 8 bits a channel: {path}")
        if image.has_transparency_data:
            image = image.convert("RGBA")
            white = Image.new("RGBA", image.size, "white")
            image = Image.alpha_composite(white, image)
        short = min(image.size)
        left, top = ((length - short) / 2 for length in image.size)
        image = image.convert("RGB").resize(
            (side, side),
            Image.Resampling.BILINEAR,
            box=(left, top, left + short, top + short),
            reducing_gap=2.0,
        )
    start = border // 2
    return np.asarray(image)[start : start + size, start : start + size]


class Classifier:
    """A .tflite file, ready to run; `names` are those of its classes."""

    def __init__(self, path):
        with zipfile.ZipFile(path) as archive:
            text = archive.read("labels.txt").decode()
        self.names = text.rstrip("\n").split("\n")
        self.interpreter = Interpreter(path)
        self.interpreter.allocate_tensors()
        [self.input] = self.interpreter.get_input_details()
        [self.output] = self.interpreter.get_output_details()
        if len(self.names) != self.output["shape"][-1]:
            raise ValueError(f"a name for each output is needed: {self.names}")

    def __call__(self, photo):
        """Returns one score a class for the file of a photo."""
        values = read_photo(photo, self.input["shape"][1]).astype("float32")
        scale, zero_point = self.input["quantization"]
        if scale:
            limits = np.iinfo(self.input["dtype"])
            values = np.round(values / scale) + zero_point
            values = np.clip(values, limits.min, limits.max)
        image = values.astype(self.input["dtype"])[None]
        self.interpreter.set_tensor(self.input["index"], image)
        self.interpreter.invoke()
        [scores] = self.interpreter.get_tensor(self.output["index"])
        scale, zero_point = self.output["quantization"]
        if scale:
            scores = (scores.astype("float32") - zero_point) * scale
        return scores


def main(model, *photos):
    classifier = Classifier(model)
    for photo in photos:
        scores = classifier(photo)
        best = np.argsort(-scores, kind="stable")[:3]
        said = [f"{classifier.names[each]} {scores[each]:.1%}" for each in best]
        print(f"{photo}: {', '.join(said)}")


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    try:
        main(*sys.argv[1:])
    except (KeyError, zipfile.BadZipFile):
        sys.exit(f"no .tflite file of kerastl: {sys.argv[1]}")
    except (OSError, ValueError) as error:
        sys.exit(f"{type(error).__name__}: {error}")
