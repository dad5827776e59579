import numpy as np
import pytest

from kerastl import apps
from kerastl.apps.data.decode_image import UnreadableImageError
from kerastl.apps.data.load_images import load_images


def test_they_are_the_crops_that_evaluation_uses(shapes):
    data = apps.load_image_folder(shapes, 16, validation_split=0)
    images, _ = data.images("train")
    np.testing.assert_array_equal(
        load_images(data.parts["train"].files, 16), images
    )


def test_bad_images_are_named(shapes, tmp_path):
    good = shapes / "cross" / "00.png"
    (tmp_path / "note.png").write_text("no image")
    with pytest.raises(UnreadableImageError, match="note.png' cannot be used"):
        load_images([good, tmp_path / "note.png"], 16)
    with pytest.raises(FileNotFoundError, match="none.png"):
        load_images([good, tmp_path / "none.png"], 16)
    with pytest.raises(FileNotFoundError, match=r"cross/\*.jpg.*evaluate"):
        load_images([shapes / "cross"], 16)
