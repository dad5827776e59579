"""Photos without labels, beside those that a run is measured on."""

import shutil

import numpy as np
import pytest

from kerastl import apps


@pytest.fixture
def photos(shapes, tmp_path):
    """Class folders for training and test, and a mixed folder."""
    for name, part in (("train", slice(0, 8)), ("test", slice(8, 15))):
        for folder in shapes.iterdir():
            made = tmp_path / "photos" / name / folder.name
            made.mkdir(parents=True)
            for file in sorted(folder.iterdir())[part]:
                shutil.copy(file, made)
    return tmp_path / "photos"


def test_test_photos_are_left_out_whatever_they_are_called(
    photos, shapes, tmp_path
):
    mixed = tmp_path / "mixed"
    mixed.mkdir()
    for number, file in enumerate(sorted(shapes.rglob("*.png"))):
        shutil.copy(file, mixed / f"{number}.png")
    data = apps.load_image_folder(
        photos, 16, validation_split=0.0, unlabelled=mixed
    )
    # The 24 training photos stay, the 21 of the test go.
    assert len(data.unlabelled) == 24
    assert "21 more are validation or test photos" in " ".join(data.notes)
    images = data.unlabelled.read(np.arange(24))
    test = data.parts["test"].read(np.arange(21))
    assert not any(
        (image == test).all(axis=(1, 2, 3)).any() for image in images
    )


def test_nothing_but_test_photos_is_refused(photos):
    with pytest.raises(ValueError, match="All of the unlabelled .*Received"):
        apps.load_image_folder(
            photos, 16, validation_split=0.0, unlabelled=photos / "test"
        )
