"""Finding the image files below a folder, and what is left out and why."""

import collections
import os
import pathlib
import unicodedata
import warnings
from dataclasses import dataclass
from dataclasses import field
from typing import NamedTuple

from kerastl.apps.data.decode_image import image_suffixes
from kerastl.apps.data.decode_image import is_image_name
from kerastl.apps.data.decode_image import why_not_read
from kerastl.apps.texts import literal

# What systems and programs put into folders, beside what begins with a dot.
_SYSTEM = frozenset(
    {
        "__macosx",
        "thumbs.db",
        "ehthumbs.db",
        "desktop.ini",
        "icon\r",
        "@eadir",
        "#recycle",
        "#snapshot",
        "$recycle.bin",
        "system volume information",
        "lost+found",
        "__pycache__",
    }
)

HIDDEN = "hidden, or put there by the system"


class LeftOut(NamedTuple):
    """A file that is not used.

    Args:
        file: Its path.
        reason: Why, in words.
        is_image: Whether it is an image, which may be missed.
    """

    file: pathlib.Path
    reason: str
    is_image: bool = False


@dataclass
class FoundImages:
    """The image files below a folder.

    Args:
        files: Their paths, sorted.
        places: Where they really are, links followed, one a file.
        left_out: `LeftOut`s.
    """

    files: list = field(default_factory=list)
    places: list = field(default_factory=list)
    left_out: list = field(default_factory=list)


def _is_hidden(name):
    """Whether a file or folder of this name is none of the user's."""
    return name.startswith(".") or name.lower() in _SYSTEM


def visible_folders(path):
    """Returns the folders in a folder, sorted, links to folders included."""
    return sorted(
        (
            folder
            for folder in pathlib.Path(path).iterdir()
            if not _is_hidden(folder.name) and folder.is_dir()
        ),
        key=_order,
    )


def find_images(path, deep=True):
    """Finds the images of a folder and, if `deep`, of the folders in it.

    Hidden files and folders and those of the system are left out at every
    level. Links are followed, to files and to folders; what is reached twice
    is taken once, and a link to a folder above is left out. Files are told by
    their names; none is opened.

    Args:
        path: A folder.
        deep: Whether the folders in it are looked at.

    Returns:
        A `FoundImages`.

    Raises:
        PermissionError: If a folder may not be read.
    """
    walk = _Walk(deep)
    walk.visit(pathlib.Path(path), ())
    found = FoundImages(left_out=walk.left_out)
    kept, seen = [], set()
    # What lies in the folder itself goes before links to it.
    for image in sorted(
        walk.images, key=lambda image: (image[2], _order(image[0]))
    ):
        file, place, _ = image
        if place in seen:
            reason = "a link to an image that is there already"
            found.left_out.append(LeftOut(file, reason, True))
            continue
        seen.add(place)
        kept.append(image)
    kept.sort(key=lambda image: _order(image[0]))
    found.files = [file for file, *_ in kept]
    found.places = [place for _, place, _ in kept]
    return found


def has_images(path, deep=True):
    """Whether there is an image in a folder, readable or not."""
    found = find_images(path, deep)
    return bool(found.files) or any(
        each.is_image and each.reason != HIDDEN for each in found.left_out
    )


class _Walk:
    def __init__(self, deep):
        self.deep = deep
        self.images = []
        self.left_out = []
        self._suffixes = image_suffixes()
        self._folders = set()

    def visit(self, folder, above):
        place = os.path.realpath(folder)
        if above and pathlib.Path(above[0]).is_relative_to(place):
            self._skip(folder, "a link to a folder above it")
            return
        if place in self._folders:
            self._skip(folder, "a link to a folder that is there already")
            return
        self._folders.add(place)
        try:
            # What is there itself before what is linked to.
            entries = sorted(
                os.scandir(folder),
                key=lambda entry: (entry.is_symlink(), entry.name),
            )
        except PermissionError as error:
            raise PermissionError(
                f"A folder of images may not be read ({error.strerror}). Give "
                f"yourself the right to, or move it away. "
                f"Received: path={str(folder)!r}"
            ) from error
        for entry in entries:
            path = pathlib.Path(entry.path)
            if _is_hidden(entry.name):
                self._hide(path)
            elif entry.is_dir():
                if self.deep:
                    self.visit(path, (*above, place))
            elif not entry.is_file():
                linked = entry.is_symlink()
                self._skip(
                    path, "a link to nothing" if linked else "no plain file"
                )
            elif path.suffix.lower() not in self._suffixes:
                self._skip(path, why_not_read(path.suffix))
            elif entry.is_symlink():
                self.images.append((path, os.path.realpath(path), True))
            else:
                linked = place != os.path.abspath(folder)
                real = os.path.join(place, entry.name)
                self.images.append((path, real, linked))

    def _skip(self, path, reason):
        self.left_out.append(LeftOut(path, reason, is_image_name(path.suffix)))

    def _hide(self, path):
        if path.is_symlink() or not path.is_dir():
            self.left_out.append(
                LeftOut(path, HIDDEN, is_image_name(path.suffix))
            )
            return
        for folder, _, names in os.walk(path):
            for name in sorted(names):
                self.left_out.append(
                    LeftOut(
                        pathlib.Path(folder, name),
                        HIDDEN,
                        is_image_name(os.path.splitext(name)[1]),
                    )
                )


def _order(path):
    """Sorts alike whichever Unicode form the names were written in."""
    return [unicodedata.normalize("NFC", part) for part in path.parts]


_EXAMPLES = 3


def group_left_out(left_out):
    """Counts files by the reason why they are not used.

    Args:
        left_out: Pairs of file name and reason.

    Returns:
        A list of dicts of `reason`, `count` and `examples`, some file names,
        the most frequent reason first.
    """
    groups = collections.defaultdict(list)
    for file, reason in left_out:
        groups[reason].append(literal(file))
    return [
        {
            "reason": reason,
            "count": len(files),
            "examples": files[:_EXAMPLES],
        }
        for reason, files in sorted(
            groups.items(), key=lambda item: (-len(item[1]), item[0])
        )
    ]


def describe_left_out(left_out):
    """Returns a line a reason.

    >>> describe_left_out([("a.txt", "no image by its name (.txt)")])
    ['1 left out: no image by its name (.txt): a.txt']
    """
    return describe_groups(group_left_out(left_out))


def describe_groups(groups):
    """Returns a line a reason; see `group_left_out`."""
    return [
        f"{group['count']} left out: {group['reason']}: "
        f"{', '.join(group['examples'])}"
        f"{', ...' if group['count'] > len(group['examples']) else ''}"
        for group in groups
    ]


def relative_names(left_out, root):
    """Returns `LeftOut`s as pairs of name below `root` and reason."""
    return [
        (literal(os.path.relpath(each.file, root)), each.reason)
        for each in left_out
    ]


def warn_left_out(path, skipped, stacklevel=3):
    """Warns of images that are not used, if there are any.

    Args:
        path: The folder.
        skipped: Pairs of file name and reason.
        stacklevel: As in `warnings.warn`.
    """
    if skipped:
        reasons = "; ".join(describe_left_out(skipped))
        warnings.warn(
            f"Images of {literal(path)!r} are not used: {reasons}",
            stacklevel=stacklevel,
        )
