"""Photos and a finished run that the tests of the command line share."""

import json

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
            blur_place="after",
            output=output,
        )


@pytest.fixture(scope="session")
def colours(tmp_path_factory):
    """What a run leaves whose network says the colour that is strongest.

    `model.keras`, `model_int8.tflite`, `model_float32.onnx`, `labels.txt`,
    `predict.py`, a `report.json` of what code for the files needs, and photos
    `red.jpg`, `green.jpg` and `blue.jpg`, wide and larger than they are read.
    """
    from kerastl import export
    from kerastl.export.package.write_predict_script import write_predict_script

    if keras.backend.backend() != "tensorflow":
        pytest.skip("needs the TensorFlow backend")
    folder = tmp_path_factory.mktemp("runs") / "colours"
    folder.mkdir()
    names = ["red", "green", "blue"]
    generator = np.random.default_rng(0)
    for place, name in enumerate(names):
        patches = generator.integers(0, 160, (4, 6, 3))
        patches[..., place] += 90
        photo = Image.fromarray(patches.astype("uint8"))
        photo = photo.resize((90, 60), Image.Resampling.BICUBIC)
        photo.save(folder / f"{name}.jpg", quality=95)
    convolution = keras.layers.Conv2D(3, 4, strides=4, activation="relu")
    head = keras.layers.Dense(3, "softmax")
    network = keras.Sequential(
        [
            keras.Input((16, 16, 3)),
            convolution,
            keras.layers.GlobalAveragePooling2D(),
            head,
        ]
    )
    kernel = np.broadcast_to(np.eye(3) / 16, (4, 4, 3, 3))
    convolution.set_weights([kernel, np.zeros(3)])
    head.set_weights([np.eye(3) / 20, np.zeros(3)])
    network.save(folder / "model.keras")
    export.to_tflite(
        network,
        folder / "model_int8.tflite",
        calibration=generator.uniform(0, 255, (100, 16, 16, 3)),
        refine="none",
    )
    export.to_onnx(network, folder / "model_float32.onnx", "float32")
    report = {
        "confusion": {"class_names": names},
        "reference": {"file": "model.keras"},
        "exports": [],
    }
    for file in ("model_int8.tflite", "model_float32.onnx"):
        export.write_metadata(folder / file, export.Metadata(names))
        runner = export.load(folder / file)
        report["exports"].append(
            {
                "file": file,
                "format": runner.format,
                "input": runner.input,
                "output": runner.output,
            }
        )
    (folder / "report.json").write_text(json.dumps(report))
    (folder / "labels.txt").write_text("\n".join(names) + "\n")
    write_predict_script(folder)
    return folder
