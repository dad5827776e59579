"""`kerastl finetune --balance`: uneven classes."""

import json
import shutil
import types

import numpy as np
import pytest

from kerastl import apps
from kerastl.apps.runs.describe_run import class_counts
from kerastl.apps.runs.describe_run import describe_uneven
from kerastl.apps.runs.train_aware import _by_rarity

pytestmark = [
    pytest.mark.tensorflow_only,
    pytest.mark.filterwarnings("ignore:The network starts from random"),
    pytest.mark.filterwarnings("ignore:Only .* images in `calibration`"),
]


@pytest.fixture(scope="module")
def uneven(shapes, tmp_path_factory):
    """Twelve circles and squares, and three crosses."""
    folder = tmp_path_factory.mktemp("uneven") / "photos"
    shutil.copytree(shapes, folder)
    for file in sorted((folder / "cross").iterdir())[3:]:
        file.unlink()
    for name in ("validation", "train"):
        shutil.copytree(folder, folder.parent / "parts" / name)
    return folder.parent / "parts"


@pytest.fixture
def arguments(tiny_arguments, uneven):
    return {**tiny_arguments, "data": uneven, "exports": []}


@pytest.mark.filterwarnings("ignore:Images of .* are n")
def test_shares_are_taken_out_once(arguments, tmp_path):
    plain, balanced = (
        apps.fine_tune(**arguments, balance=how, output=tmp_path / str(how))
        for how in (False, True)
    )
    images = np.random.default_rng(0).uniform(0, 255, (8, 16, 16, 3))
    before, after = (
        run.model.predict(images.astype("float32"), verbose=0)
        for run in (plain, balanced)
    )
    expected = before / [15, 3, 15]
    expected /= expected.sum(-1, keepdims=True)
    np.testing.assert_allclose(after, expected, rtol=1e-3, atol=1e-6)
    report = json.loads((balanced.output / "report.json").read_text())
    assert "All classes count alike" in report["summary"]["text"]
    # Nothing is taken out a second time.
    again = apps.fine_tune(
        **arguments, balance=True, output=balanced.output, resume=True
    )
    np.testing.assert_array_equal(
        again.model.predict(images.astype("float32"), verbose=0), after
    )
    with pytest.raises(ValueError, match="balance was True, is False"):
        apps.fine_tune(**arguments, output=balanced.output, resume=True)


def test_uneven_classes_are_said(uneven, shapes):
    data = apps.load_image_folder(uneven, 16)
    assert class_counts(data).tolist() == [15, 3, 15]
    hint = describe_uneven(data)
    assert "from 3 (cross) to 15 images (circle): --balance" in hint
    assert describe_uneven(apps.load_image_folder(shapes, 16)) is None


def test_rare_classes_weigh_more_in_the_int8_part(uneven):
    data = apps.load_image_folder(uneven, 16, batch_size=33)
    batches = _by_rarity(types.SimpleNamespace(data=data), data.train)
    ((_, labels, weights),) = batches.as_numpy_iterator()
    np.testing.assert_allclose(
        weights, np.array([33 / 45, 33 / 9, 33 / 45])[labels], rtol=1e-6
    )
    np.testing.assert_allclose(weights.mean(), 1, rtol=1e-6)


def test_mixed_images_weigh_by_the_shares_of_their_classes(uneven):
    data = apps.load_image_folder(uneven, 16, batch_size=33, augment="mixup")
    batches = _by_rarity(types.SimpleNamespace(data=data), data.train)
    ((_, labels, weights),) = batches.as_numpy_iterator()
    assert labels.shape == (33, 3) and (labels.max(axis=1) < 0.99).any()
    np.testing.assert_allclose(
        weights, labels @ [33 / 45, 33 / 9, 33 / 45], rtol=1e-5
    )
