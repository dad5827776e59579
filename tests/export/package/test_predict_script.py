"""How the program for small devices cuts a photo.

That its scores are ours is tested where it is written.
"""

import numpy as np
import pytest
from PIL import Image

from kerastl.export.package.predict_script import read_photo


@pytest.mark.parametrize("turned", [False, True])
def test_the_middle_of_a_photo_is_taken(tmp_path, turned):
    """Three squares side by side, of which the second is the middle."""
    colours = [[200, 0, 0], [0, 150, 0], [0, 0, 100]]
    pixels = np.repeat(np.uint8(colours)[None], 50, 0).repeat(50, 1)
    image = Image.fromarray(pixels.transpose(1, 0, 2) if turned else pixels)
    image.save(tmp_path / "photo.png")
    photo = read_photo(tmp_path / "photo.png", 20)
    assert photo.shape == (20, 20, 3)
    assert (photo == [0, 150, 0]).all()


@pytest.mark.parametrize(
    "size, border",
    # 15 %, and not less than 8 pixels.
    [(20, 8), (100, 15)],
)
def test_a_border_is_cut_off(tmp_path, size, border):
    side = size + border
    rows = np.arange(side, dtype="uint8")
    image = Image.fromarray(np.stack([np.meshgrid(rows, rows)[0]] * 3, -1))
    image.save(tmp_path / "photo.png")
    photo = read_photo(tmp_path / "photo.png", size)
    first = border // 2
    np.testing.assert_array_equal(photo[0, :, 0], rows[first : first + size])


def test_what_is_clear_is_white(tmp_path):
    Image.new("RGBA", (30, 30), (90, 90, 90, 0)).save(tmp_path / "clear.png")
    assert (read_photo(tmp_path / "clear.png", 20) == 255).all()
