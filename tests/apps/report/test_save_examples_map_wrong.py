import keras
import numpy as np
import pytest
from keras import layers
from matplotlib import colormaps
from PIL import Image

from kerastl.apps.report.save_examples import map_wrong
from kerastl.apps.report.save_examples import save_examples
from kerastl.apps.runs.run_folder import RunFolder

NAMES = ["red", "green", "blue"]


def network():
    """Says the colour that there is most of, and sees each 4 px alone."""
    inputs = keras.Input((8, 8, 3))
    x = layers.AveragePooling2D(4)(inputs)
    x = layers.GlobalAveragePooling2D()(x)
    head = layers.Dense(3, "softmax")
    model = keras.Model(inputs, head(x))
    head.set_weights([np.eye(3) / 16, np.zeros(3)])
    return model


def image():
    """Blue at the top left, and a little red below it."""
    pixels = np.zeros((8, 8, 3), "uint8")
    pixels[:4, :4, 2] = 240
    pixels[4:, :4, 0] = 120
    return pixels


def test_it_is_brightest_where_the_class_that_was_said_is():
    chosen = [
        (image(), {"prediction": "blue", "label": "blue", "correct": True}),
        (image(), {"prediction": "blue", "label": "red", "correct": False}),
        (image(), {"prediction": "red", "label": "blue", "correct": False}),
    ]
    maps, about = map_wrong(network(), chosen, NAMES)
    assert about == {"places": [2, 2]}
    assert sorted(maps) == [1, 2]
    hot, cold = (255 * np.array(colormaps["inferno"](x)[:3]) for x in (1.0, 0))
    for place, said, other in ((1, (0, 0), (7, 7)), (2, (7, 0), (0, 7))):
        pixels = np.asarray(maps[place]).astype(float)
        grey = image().mean(-1)
        # Two places a side are scaled to eight pixels, smoothly.
        np.testing.assert_allclose(pixels[said], (hot + grey[said]) / 2, atol=1)
        np.testing.assert_allclose(
            pixels[other], (cold + grey[other]) / 2, atol=4
        )


def test_says_why_there_is_none():
    inputs = keras.Input((8, 8, 3))
    flat = layers.Dense(3, "softmax")(layers.Flatten()(inputs))
    chosen = [(image(), {"prediction": "red", "correct": False})]
    maps, about = map_wrong(keras.Model(inputs, flat), chosen, NAMES)
    assert maps == {}
    assert "no feature map in front" in about["why_not"]
    assert "Received" not in about["why_not"]
    right = [(image(), {"prediction": "red", "correct": True})]
    assert map_wrong(network(), right, NAMES) == ({}, None)


def test_maps_lie_beside_the_images(tmp_path):
    folder = RunFolder(tmp_path / "run", {}, {})
    folder.begin()
    model = network()
    batch = np.stack([image(), image()]).astype("float32")
    found = save_examples(
        folder,
        lambda images: keras.ops.convert_to_numpy(model(images)),
        [(batch, np.array([2, 0]))],
        NAMES,
        model=model,
    )
    right, wrong = found["examples"]
    assert found["maps"] == {"places": [2, 2]}
    assert right["correct"] and "map" not in right
    assert (wrong["image"], wrong["map"]) == (
        "examples/01.png",
        "examples/01_map.png",
    )
    assert folder.file(wrong["map"]).is_file()


@pytest.mark.tensorflow_only
def test_a_run_maps_what_it_took_for_something_else(finished_run):
    report = finished_run.report
    wrong = [row for row in report["examples"] if not row["correct"]]
    assert wrong
    for row in wrong:
        with Image.open(finished_run.output / row["map"]) as drawn:
            assert drawn.size == (16, 16)
    # 16 px, halved twice.
    assert report["maps"] == {"places": [4, 4]}
    assert report["reference"]["latency_ms"] > 0
