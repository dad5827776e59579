import keras
import numpy as np
import pytest
from PIL import Image

from kerastl import apps
from kerastl.apps.detect_anomalies import _area_under_roc
from kerastl.apps.detect_anomalies import _with_moved_patches

pytestmark = pytest.mark.tensorflow_only


def stripes(count, direction, seed):
    generator = np.random.default_rng(seed)
    wave = 127 + 100 * np.sin(np.arange(24) * 0.9)
    plane = np.broadcast_to(wave[:, None], (24, 24))
    if direction == "down":
        plane = plane.T
    noise = generator.normal(scale=12, size=(count, 24, 24, 3))
    return np.clip(plane[None, :, :, None] + noise, 0, 255).astype("uint8")


@pytest.fixture
def network():
    keras.utils.set_random_seed(5)
    return apps.ResNet8(input_shape=(24, 24, 3), include_top=False)


def test_other_images_score_higher(network, tmp_path):
    folder = tmp_path / "normal" / "good"
    folder.mkdir(parents=True)
    for index, image in enumerate(stripes(24, "across", 0)):
        Image.fromarray(image).save(folder / f"{index:02}.png")
    before = network.get_weights()
    detector = apps.detect_anomalies(
        tmp_path / "normal", network, epochs=2, batch_size=8
    )
    for old, new in zip(before, network.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    assert len(detector.history) == 3
    assert all(0 <= area <= 1 for area in detector.history)
    normal = detector.score(stripes(10, "across", 1))
    others = detector.score(stripes(10, "down", 2))
    assert others.min() > max(normal.max(), detector.threshold)
    again = apps.detect_anomalies(
        tmp_path / "normal", network, epochs=2, batch_size=8
    )
    np.testing.assert_allclose(again.history, detector.history, atol=1e-3)
    np.testing.assert_allclose(
        again.score(folder), detector.score(folder), rtol=1e-3
    )


def test_the_best_epoch_is_kept(network, monkeypatch):
    images = stripes(20, "across", 0).astype("float32")

    def train(areas):
        areas = iter(areas)
        # The function has the module's name in `apps`.
        monkeypatch.setitem(
            apps.detect_anomalies.__globals__,
            "_area_under_roc",
            lambda normal, other: next(areas),
        )
        return apps.detect_anomalies(
            images, network, epochs=2, batch_size=8, learning_rate=1e-3
        ).model.get_weights()

    first, second, none = (
        train(areas)
        for areas in ([0.5, 0.9, 0.7], [0.5, 0.7, 0.9], [0.9, 0.5, 0.6])
    )
    changed = [
        max(np.abs(a - b).max() for a, b in zip(one, other, strict=True))
        for one, other in ((first, second), (none, network.get_weights()))
    ]
    assert changed[0] > 0 and changed[1] == 0


def test_area_under_roc():
    assert _area_under_roc([1, 2], [3, 4]) == 1.0
    assert _area_under_roc([3, 4], [1, 2]) == 0.0
    assert _area_under_roc([1, 3], [2, 3]) == pytest.approx((1 + 1.5) / 4)


def test_moved_patches_are_other_parts_of_the_image():
    images = np.random.default_rng(0).uniform(0, 255, (5, 24, 24, 3))
    moved = _with_moved_patches(images, np.random.default_rng(1))
    for before, after in zip(images, moved, strict=True):
        share = (before != after).any(axis=-1).mean()
        assert 0 < share < 0.15
        assert np.isin(after, before).all()


def test_too_few_images(network):
    with pytest.raises(ValueError, match="2 images"):
        apps.detect_anomalies(stripes(2, "down", 0), network)


def test_a_network_for_images_of_any_size(tmp_path):
    keras.utils.set_random_seed(5)
    network = apps.ResNet8(input_shape=(None, None, 3), include_top=False)
    images = stripes(8, "across", 0)
    detector = apps.detect_anomalies(images, network, epochs=0)
    assert detector.image_size == 24
    for index, image in enumerate(images):
        Image.fromarray(image).save(tmp_path / f"{index}.png")
    np.testing.assert_allclose(
        detector.score(tmp_path), detector.score(images), rtol=1e-5
    )
    with pytest.raises(ValueError, match="image_size=None"):
        apps.detect_anomalies(tmp_path, network, epochs=0)


def test_a_photo_that_cannot_be_used_is_named(network, tmp_path):
    for index, image in enumerate(stripes(4, "across", 0)):
        Image.fromarray(image).save(tmp_path / f"{index}.png")
    (tmp_path / "bad.png").write_text("no image")
    with pytest.raises(ValueError, match="not an image.*bad.png"):
        apps.detect_anomalies(tmp_path, network)
