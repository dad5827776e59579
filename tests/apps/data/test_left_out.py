import pytest

from kerastl.apps.data.left_out import describe_left_out
from kerastl.apps.data.left_out import group_left_out
from kerastl.apps.data.left_out import warn_left_out

FILES = [("a.txt", "no image"), *((f"{i}.heic", "HEIC") for i in range(4))]


def test_reasons_are_counted_the_most_frequent_first():
    assert group_left_out(FILES) == [
        {
            "reason": "HEIC",
            "count": 4,
            "examples": ["0.heic", "1.heic", "2.heic"],
        },
        {"reason": "no image", "count": 1, "examples": ["a.txt"]},
    ]
    assert describe_left_out(FILES) == [
        "4 left out: HEIC: 0.heic, 1.heic, 2.heic, ...",
        "1 left out: no image: a.txt",
    ]


def test_images_are_warned_of():
    with pytest.warns(UserWarning, match="'p' are not used: 4 left out: HEIC"):
        warn_left_out("p", FILES[1:])
    warn_left_out("p", [])
