import os

import pytest

from kerastl.apps.data.find_images import HIDDEN
from kerastl.apps.data.find_images import describe_left_out
from kerastl.apps.data.find_images import find_images
from kerastl.apps.data.find_images import group_left_out
from kerastl.apps.data.find_images import visible_folders
from kerastl.apps.data.find_images import warn_left_out


def make(root, *files):
    for file in files:
        path = root / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def names(found, root):
    return [file.relative_to(root).as_posix() for file in found.files]


def left(found, root):
    return {
        each.file.relative_to(root).as_posix(): each.reason
        for each in found.left_out
    }


@pytest.mark.parametrize(
    "hidden",
    [
        ".ipynb_checkpoints/a-checkpoint.jpg",
        "._a.jpg",
        "__MACOSX/._a.jpg",
        "__MACOSX/cat/a.jpg",
        "@eaDir/a.jpg/SYNOPHOTO_THUMB_M.jpg",
        "deep/.git/a.png",
        "deep/deeper/.thumbnails/a.png",
        "#recycle/a.jpg",
        "$RECYCLE.BIN/a.jpg",
        ".DS_Store",
        "Thumbs.db",
        "desktop.ini",
    ],
)
def test_what_is_hidden_is_no_image_at_any_level(tmp_path, hidden):
    make(tmp_path, "a.jpg", "deep/b.jpg", hidden)
    found = find_images(tmp_path)
    assert names(found, tmp_path) == ["a.jpg", "deep/b.jpg"]
    assert left(found, tmp_path) == {hidden: HIDDEN}
    assert hidden.split("/")[0] not in {
        folder.name for folder in visible_folders(tmp_path)
    } - {"deep"}


def test_names_decide_and_the_reason_is_told(tmp_path):
    make(tmp_path, "a.JFIF", "b.avif", "c.txt", "d.zip", "e", "f.eps", "g.mp4")
    found = find_images(tmp_path)
    assert names(found, tmp_path) == ["a.JFIF", "b.avif"]
    assert left(found, tmp_path) == {
        "c.txt": "no image by its name (.txt)",
        "d.zip": "an archive, which is not opened: unpack it (.zip)",
        "e": "no image by its name (no ending)",
        "f.eps": "no image by its name (.eps)",
        "g.mp4": "a video, of which only --unlabelled takes frames (.mp4)",
    }
    assert not any(each.is_image for each in found.left_out)


def test_the_order_does_not_depend_on_the_unicode_form(tmp_path):
    # Written on another system, the accent is a character of its own.
    make(tmp_path, "e\u0301.jpg", "f.jpg", "ea.jpg", "\u00e9/a.jpg")
    found = find_images(tmp_path)
    assert names(found, tmp_path) == [
        "ea.jpg",
        "f.jpg",
        "\u00e9/a.jpg",
        "e\u0301.jpg",
    ]


def test_links_are_followed_and_taken_once(tmp_path):
    cat, elsewhere = tmp_path / "cat", tmp_path / "elsewhere"
    make(cat, "b.jpg", "own/c.jpg")
    make(elsewhere, "d.jpg")
    make(tmp_path, "single.jpg")
    os.symlink(elsewhere, cat / "a")
    os.symlink(elsewhere, cat / "again")
    os.symlink(cat / "b.jpg", cat / "a.jpg")
    os.symlink(tmp_path / "single.jpg", cat / "single.jpg")
    os.symlink(tmp_path, cat / "own" / "above")
    os.symlink(cat / "own", cat / "own" / "circle")
    os.symlink("nowhere", cat / "lost.jpg")
    found = find_images(cat)
    assert names(found, cat) == ["a/d.jpg", "b.jpg", "own/c.jpg", "single.jpg"]
    assert found.places == [
        os.path.realpath(file)
        for file in (
            elsewhere / "d.jpg",
            cat / "b.jpg",
            cat / "own" / "c.jpg",
            tmp_path / "single.jpg",
        )
    ]
    assert left(found, cat) == {
        "a.jpg": "a link to an image that is there already",
        "again": "a link to a folder that is there already",
        "lost.jpg": "a link to nothing",
        "own/above": "a link to a folder above it",
        "own/circle": "a link to a folder that is there already",
    }


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_is_never_opened(tmp_path):
    os.mkfifo(tmp_path / "a.jpg")
    assert left(find_images(tmp_path), tmp_path) == {"a.jpg": "no plain file"}


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
