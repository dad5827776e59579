"""Photos and a finished run that the tests of the command line share."""

import keras
import numpy as np
import pytest
from PIL import Image
from PIL import ImageDraw


def draw_shapes(folder, count, seed=0):
    """Writes photos of three classes that a small network can tell apart."""
    generator = np.random.default_rng(seed)
    for shape in ("circle", "cross", "square"):
        (folder / shape).mkdir(parents=True)
        for index in range(count):
            dark, light = (
                tuple(generator.integers(low, low + 80, 3).tolist())
                for low in (0, 170)
            )
            x, y = generator.integers(4, 14, 2).tolist()
            box = (x, y, x + 22, y + 22)
            image = Image.new("RGB", (40, 40), dark)
            draw = ImageDraw.Draw(image)
            if shape == "circle":
                draw.ellipse(box, fill=light)
            elif shape == "square":
                draw.rectangle(box, fill=light)
            else:
                draw.line(box, fill=light, width=4)
                draw.line((x, y + 22, x + 22, y), fill=light, width=4)
            image.save(folder / shape / f"{index:02}.png")
    return folder


@pytest.fixture(scope="session")
def shapes(tmp_path_factory):
    """A folder of photos, three classes of 15."""
    return draw_shapes(tmp_path_factory.mktemp("photos") / "shapes", 15)


@pytest.fixture(scope="session")
def tiny_arguments(shapes):
    """Arguments of `apps.fine_tune` for a run of seconds."""
    return {
        "data": shapes,
        "preset": "resnet8",
        "weights": None,
        "image_size": 16,
        "epochs": 2,
        "batch_size": 16,
        "exports": ["tflite:int8", "onnx:int8"],
    }


@pytest.fixture(scope="session")
def finished_run(tiny_arguments, tmp_path_factory):
    """A finished KTFT run of an anti-aliased network."""
    from kerastl import apps

    if keras.backend.backend() != "tensorflow":
        pytest.skip("needs the TensorFlow backend")
    output = tmp_path_factory.mktemp("runs") / "finished"
    with pytest.warns(UserWarning, match="no knowledge to transfer"):
        return apps.fine_tune(
            **tiny_arguments,
            method="ktft",
            strength=0.5,
            antialias=3,
            output=output,
        )
