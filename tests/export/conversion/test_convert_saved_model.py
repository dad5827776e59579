"""The step that runs in a process of its own, run in this one."""

import json

import keras
import numpy as np
import pytest
from keras import layers

from kerastl.export.conversion import convert_saved_model


def step(lowered, output_name, scheme, images, path, **keywords):
    """Says what it was given."""
    shape = None if images is None else list(images.shape)
    path.write_text("written")
    return [
        *(lowered.input_shape, lowered.num_classes, output_name),
        *(scheme.name, shape, keywords),
    ]


def failing(*_, **__):
    raise KeyError("no such thing")


@pytest.fixture
def prepare(tmp_path):
    def run(function, images=None, model=True, **keywords):
        if model:
            inputs = keras.Input((4, 4, 1))
            outputs = layers.Dense(2)(layers.Flatten()(inputs))
            keras.Model(inputs, outputs).save(tmp_path / "model.keras")
        if images is not None:
            np.save(tmp_path / "images.npy", images)
        task = {
            "module": function.__module__,
            "function": function.__name__,
            "keywords": keywords,
            "output_name": "outputs",
            "scheme": "int16x8",
            "format": "tflite",
            "path": str(tmp_path / "a.tflite"),
        }
        (tmp_path / "task.json").write_text(json.dumps(task))
        convert_saved_model.main(tmp_path)
        return json.loads((tmp_path / "answer.json").read_text())

    return run


@pytest.mark.parametrize("images", [None, np.zeros((3, 4, 4, 1))])
def test_the_step_gets_what_the_folder_holds(prepare, images, tmp_path):
    answer = prepare(step, images, opset=15)
    shape = None if images is None else [3, 4, 4, 1]
    assert answer == {
        "notes": [[4, 4, 1], 2, "outputs", "int16x8", shape, {"opset": 15}]
    }
    assert (tmp_path / "a.tflite").read_text() == "written"


def test_an_error_is_left_with_its_name(prepare):
    assert prepare(failing) == {
        "error": "KeyError",
        "message": "'no such thing'",
    }


def test_a_model_that_cannot_be_loaded_there(prepare, tmp_path):
    (tmp_path / "model.keras").write_bytes(b"nothing")
    answer = prepare(step, model=False)
    assert answer["error"] == "ValueError"
    assert "cannot load it" in answer["message"]
    assert "register_keras_serializable" in answer["message"]
