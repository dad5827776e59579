"""Finding the images of a folder of class folders, without opening them."""

import unicodedata
from dataclasses import dataclass
from dataclasses import field
from pathlib import Path

from kerastl.apps.data.check_class_names import check_class_names
from kerastl.apps.data.check_class_names import differ_in_case
from kerastl.apps.data.find_images import LeftOut
from kerastl.apps.data.find_images import find_images
from kerastl.apps.data.find_images import visible_folders
from kerastl.apps.data.folder_layout import LAYOUT
from kerastl.apps.data.folder_layout import TABLE
from kerastl.apps.data.folder_layout import find_layout
from kerastl.apps.data.folder_layout import is_table
from kerastl.apps.data.folder_layout import require_folder
from kerastl.apps.data.left_out import describe_left_out
from kerastl.apps.data.left_out import relative_names
from kerastl.arguments import nearest_hint

_BESIDE = "beside the class folders, so of no class"
_LABELS = "not read: the class folders' names are the classes"


@dataclass(frozen=True)
class FolderListing:
    """The image files of a folder.

    Args:
        class_names: The classes, sorted.
        parts: Dict from part to a list of `(file, label)`. Without a split
            all are in `"train"`.
        left_out: A `LeftOut` for each file that is not used.
        notes: Sentences about what was decided.
    """

    class_names: list
    parts: dict
    left_out: list
    notes: list = field(default_factory=list)


def list_image_folder(path):
    """Lists the images of a folder and checks the layout.

    Hidden files and folders are left out at every level, links are followed
    (see `find_images`), images in folders inside a class folder are of that
    class. Folder names that differ by their Unicode form alone are one class;
    names that differ by upper and lower case are two, which is said.

    Args:
        path: A folder of class folders, or of `train`, `validation` (or
            `valid`, `val`) and `test` folders with class folders in them. How
            the two are told apart: `find_layout`.

    Returns:
        A `FolderListing`.

    Raises:
        FileNotFoundError: If there is no such folder.
        NotADirectoryError: If it is a file, such as an archive.
        ValueError: If the layout is another or can be read in two ways,
            there is only one class, a class has no images or a name that
            cannot be written, or an image is in two classes by a link.
    """
    path = Path(path)
    require_folder(path)
    layout = find_layout(path)
    class_names = _class_names(layout.parts["train"], path)
    parts, left_out, nested = {}, [], 0
    for folder in dict.fromkeys([path, *layout.parts.values()]):
        left_out += _beside(folder)
    for folder in layout.others:
        left_out += find_images(folder).left_out
    places = {}
    for part, folder in layout.parts.items():
        parts[part], more, deeper = _list_part(
            part, folder, class_names, places
        )
        left_out += more
        nested += deeper
    _check_not_empty(path, parts, class_names, left_out)
    notes = [*layout.notes, *_case_notes(class_names)]
    if nested:
        most = 2 * nested > sum(map(len, parts.values()))
        notes.append(
            f"Images in folders inside a class folder, which are of that "
            f"class: {nested}."
            + (
                f" These are most of all: are {', '.join(class_names)} the "
                "classes, or does one of them hold the class folders?"
                if most
                else ""
            )
        )
    both = sum(len(set(found)) > 1 for found in places.values())
    if both:
        notes.append(
            f"Images in several parts, by links: {both}. What is measured on "
            "them is no measure of new images."
        )
    return FolderListing(class_names, parts, left_out, notes)


def _class_names(folder, path):
    names = {
        unicodedata.normalize("NFC", each.name)
        for each in visible_folders(folder)
    }
    names = sorted(names)
    if len(names) < 2:
        found = find_images(path)
        others = _said(found.left_out, path)
        table = any(is_table(each.file) for each in found.left_out)
        why = f" {TABLE}" if table else ""
        raise ValueError(
            f"At least two classes are needed.{why} {LAYOUT}{others} Received: "
            f"path={str(folder)!r} with the class folders {names}"
        )
    return check_class_names(names, "class folder")


def _beside(folder):
    """What lies beside the class folders."""
    found = find_images(folder, deep=False)
    left = [LeftOut(file, _BESIDE, True) for file in found.files]
    for each in found.left_out:
        labels = each.file.stem.lower() == "labels"
        left.append(each._replace(reason=_LABELS) if labels else each)
    return left


def _list_part(part, folder, class_names, places):
    files, left_out, nested = [], [], 0
    labels = {name: label for label, name in enumerate(class_names)}
    for class_folder in visible_folders(folder):
        name = unicodedata.normalize("NFC", class_folder.name)
        if name not in labels:
            hint = nearest_hint(name, class_names)
            raise ValueError(
                f"The {part} images have a class that the training images "
                f"lack: '{name}'.{hint} Every class needs training images. "
                f"Received: path={str(class_folder)!r}, training classes "
                f"{class_names[:20]}"
            )
        found = find_images(class_folder)
        left_out += found.left_out
        for file, place in zip(found.files, found.places, strict=True):
            _check_place(file, place, name, part, places)
            nested += file.parent != class_folder
        files += [(file, labels[name]) for file in found.files]
    return files, left_out, nested


def _check_place(file, place, name, part, places):
    before = places.setdefault(place, {})
    for other in before.values():
        if other != name:
            raise ValueError(
                f"An image is in two classes, '{other}' and '{name}', by a "
                "link to it or to its folder. Remove the link. "
                f"Received: path={str(file)!r}, a link to {place!r}"
            )
    before[part] = name


def _case_notes(class_names):
    return [
        f"The classes {' and '.join(map(repr, group))} differ by upper and "
        "lower case alone, and count as different."
        for group in differ_in_case(class_names)
    ]


def _check_not_empty(path, parts, class_names, left_out):
    labels = {label for _, label in parts["train"]}
    others = _said(left_out, path)
    if not labels:
        raise ValueError(
            f"There are no images in the folder. {LAYOUT}{others} "
            f"Received: path={str(path)!r}"
        )
    for label, name in enumerate(class_names):
        if label not in labels:
            raise ValueError(
                f"The class '{name}' has no training images. Add images, or "
                f"move the folder away.{others} Received: path={str(path)!r}"
            )


def _said(left_out, path):
    lines = describe_left_out(relative_names(left_out, path))
    return "".join(f" {line}." for line in lines)
