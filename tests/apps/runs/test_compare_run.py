"""What a run gained over an earlier one, against counts by hand."""

import json

import keras
import numpy as np
import pytest
from keras import layers

from kerastl.apps.data.image_data import ImageData
from kerastl.apps.data.image_part import ImagePart
from kerastl.apps.runs.compare_run import compare_run
from kerastl.apps.runs.compare_run import describe_comparison
from kerastl.apps.runs.compare_run import open_earlier

NAMES = ["blue", "green", "red"]
SIZE = 8


@pytest.fixture
def data():
    return _data(SIZE)


def _data(size):
    draw = np.random.default_rng(0)
    colors = draw.integers(0, 256, (40, 1, 1, 3))
    images = np.broadcast_to(colors, (40, size, size, 3)).astype("uint8")
    labels = draw.integers(0, 3, 40).astype("int32")
    return ImageData({"test": ImagePart(labels, size, images)}, NAMES, size)


def _network(kernel, size=SIZE):
    """Tells the mean color times a matrix."""
    inputs = keras.Input((size, size, 3))
    x = layers.GlobalAveragePooling2D()(inputs)
    head = layers.Dense(3, activation="softmax")
    model = keras.Model(inputs, head(layers.Rescaling(1 / 255)(x)))
    head.kernel.assign(kernel)
    return model


@pytest.fixture
def kernels():
    return np.random.default_rng(1).normal(size=(2, 3, 3)) * 4


def _store(folder, model, names=NAMES, images=None):
    folder.mkdir()
    model.save(folder / "model.keras")
    (folder / "labels.txt").write_text("\n".join(names) + "\n")
    if images is not None:
        state = {"identity": {"images": images}}
        (folder / "run.json").write_text(json.dumps(state))
    return folder


def _hits(kernel, data):
    part = data.parts["test"]
    colors = part.images.mean((1, 2)) / 255
    return (colors @ kernel).argmax(-1) == part.labels


def test_the_difference_is_counted_photo_by_photo(data, kernels, tmp_path):
    earlier, now = kernels
    # Its outputs are in another order.
    order = [2, 0, 1]
    folder = _store(
        tmp_path / "before",
        _network(earlier[:, order]),
        [NAMES[place] for place in order],
    )
    found = compare_run(open_earlier(folder, data), _network(now), data, "test")
    a, b = _hits(now, data), _hits(earlier, data)
    d = a.astype(float) - b
    assert 0 < (a & ~b).sum() and 0 < (b & ~a).sum()
    assert found == {
        "label": "before",
        "accuracy": pytest.approx(b.mean()),
        "difference": pytest.approx(a.mean() - b.mean()),
        "interval": pytest.approx(1.96 * d.std() / np.sqrt(40)),
        "images": 40,
        "only_this": (a & ~b).sum(),
        "only_earlier": (b & ~a).sum(),
        "same_photos": None,
    }
    json.dumps(found)


def test_a_network_of_another_size_sees_the_same_photos(
    data, kernels, tmp_path
):
    folder = _store(tmp_path / "large", _network(kernels[0], size=12))
    with pytest.raises(ValueError, match="large' of 12 px, images of 8 px"):
        open_earlier(folder, data, one_size=True)
    asked = []

    def load_at(size):
        asked.append(size)
        return _data(size)

    found = compare_run(
        open_earlier(folder, data), _network(kernels[1]), data, "test", load_at
    )
    assert asked == [12]
    assert found["accuracy"] == pytest.approx(_hits(kernels[0], data).mean())


@pytest.mark.parametrize(
    "theirs, same",
    [
        ({"test/red": [9, "a"], "train/red": [3, "b"]}, True),
        ({"test/red": [9, "a"], "train/red": [5, "c"]}, True),
        ({"test/red": [9, "z"]}, False),
        ({"test/red": [9, "a"], "test/blue": [1, "a"]}, False),
    ],
)
def test_whether_it_was_measured_on_the_same_is_said(
    data, kernels, tmp_path, theirs, same
):
    folder = _store(tmp_path / "run", _network(kernels[0]), images=theirs)
    found = compare_run(
        open_earlier(folder, data),
        _network(kernels[0]),
        data,
        "test",
        images={"test/red": [9, "a"], "train/red": [3, "b"]},
    )
    assert found["same_photos"] is same
    assert found["difference"] == found["interval"] == 0
    text = describe_comparison(found)
    assert ("may have learned some of them" in text) is not same
    assert "+0.0 ± 0.0 points on the same 40 images: 0 that" in text


def test_what_is_sure_is_told_from_what_is_not(data):
    found = {
        "label": "old",
        "accuracy": 0.5,
        "difference": 0.05,
        "interval": 0.04,
        "images": 200,
        "only_this": 20,
        "only_earlier": 10,
        "same_photos": True,
    }
    assert describe_comparison(found) == (
        "Against old (50.0 %) it gained +5.0 ± 4.0 points on the same 200 "
        "images: 20 that only it names rightly, 10 that only the other does."
    )
    doubtful = describe_comparison({**found, "interval": 0.06})
    assert doubtful.endswith("On other photos it may be the other way round.")


def test_what_is_refused(data, kernels, tmp_path):
    with pytest.raises(FileNotFoundError, match="no finished run.*'.*nowhere'"):
        open_earlier(tmp_path / "nowhere", data)
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="no finished run.*'.*empty'"):
        open_earlier(tmp_path / "empty", data)
    folder = _store(
        tmp_path / "other", _network(kernels[0]), ["blue", "green", "black"]
    )
    with pytest.raises(ValueError, match="other classes apart.*blue, green, b"):
        open_earlier(folder, data)
    # Of more than a line of names, where they differ.
    data.class_names[:] = ["green", *"abcdefg"]
    with pytest.raises(ValueError, match="photos of a, b, c, d, e and 3 more"):
        open_earlier(folder, data)
    (folder / "labels.txt").unlink()
    with pytest.raises(ValueError, match="of 3 unnamed classes; photos of"):
        open_earlier(folder / "model.keras", data)
