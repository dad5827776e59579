"""Finding the images of a folder of class folders, without opening them."""

import re
import tarfile
import unicodedata
import zipfile
from dataclasses import dataclass
from dataclasses import field

from kerastl.apps.data.class_names import check_class_names
from kerastl.apps.data.class_names import differ_in_case
from kerastl.apps.data.find_images import LeftOut
from kerastl.apps.data.find_images import describe_left_out
from kerastl.apps.data.find_images import find_images
from kerastl.apps.data.find_images import has_images
from kerastl.apps.data.find_images import relative_names
from kerastl.apps.data.find_images import visible_folders
from kerastl.arguments import checked_path
from kerastl.arguments import nearest_hint

_BESIDE = "beside the class folders, so of no class"
_LABELS = "not read: the class folders' names are the classes"


@dataclass(frozen=True)
class _FolderListing:
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
        A `_FolderListing`.

    Raises:
        FileNotFoundError: If there is no such folder.
        NotADirectoryError: If it is a file, such as an archive.
        ValueError: If the layout is another or can be read in two ways,
            there is only one class, a class has no images or a name that
            cannot be written, or an image is in two classes by a link.
    """
    path = checked_path("path", path)
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
    return _FolderListing(class_names, parts, left_out, notes)


def _class_names(folder, path):
    names = {
        unicodedata.normalize("NFC", each.name)
        for each in visible_folders(folder)
    }
    names = sorted(names)
    if len(names) < 2:
        found = find_images(path)
        others = _said(found.left_out, path)
        table = any(_is_table(each.file) for each in found.left_out)
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


PART_NAMES = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val", "dev"),
    "test": ("test", "testing"),
}

LAYOUT = (
    "Expected one folder of images for each class, `photos/<class>/*.jpg`, "
    "or such folders in `photos/train`, `photos/validation` and "
    "`photos/test`."
)


# The usual endings of tables that say what is on photos.
_TABLES = (".csv", ".tsv", ".xlsx", ".json", ".jsonl")
TABLE = (
    "Labels in a table are not read: a photo has one class, which its folder "
    "names. With one label a photo, put each photo into a folder called like "
    "its label. Several labels a photo (a sigmoid each) are not trained; "
    "train one network a label instead, on two folders, with it and without."
)


@dataclass
class _FolderLayout:
    """How a folder is read.

    Args:
        parts: Dict from part to the folder that holds its class folders.
        notes: Sentences about what was decided.
        others: Folders that are neither, because no image is in them.
    """

    parts: dict
    notes: list = field(default_factory=list)
    others: list = field(default_factory=list)


def require_folder(path, what="image folder", argument="path", layout=LAYOUT):
    """Raises an error if there is no such folder, or a file in its place."""
    if path.is_dir():
        return
    if not path.exists():
        raise FileNotFoundError(
            f"The {what} does not exist. {layout} "
            f"Received: {argument}={str(path)!r}"
        )
    if _is_table(path):
        raise NotADirectoryError(
            f"The {what} is a table. {TABLE} {layout} "
            f"Received: {argument}={str(path)!r}"
        )
    kind = "a file"
    if path.is_file() and (
        zipfile.is_zipfile(path) or tarfile.is_tarfile(path)
    ):
        kind = "an archive, which has to be unpacked first"
    raise NotADirectoryError(
        f"The {what} is {kind}. {layout} Received: {argument}={str(path)!r}"
    )


def _is_table(path):
    """Whether a file may be a table of labels, by its name."""
    return path.suffix.lower() in _TABLES


def find_layout(path):
    """Tells whether a folder holds classes, or parts that hold them.

    Parts are read where all folders with images are called as parts are
    (`train`, `validation` or `val`, `test`; `train_set` and the like too) and
    hold class folders. A folder of such a name that lies beside others and
    holds its images itself is a class. All else could be either, and is
    refused.

    Args:
        path: The folder.

    Returns:
        A `_FolderLayout`.

    Raises:
        ValueError: If it can be read in two ways, has two folders for one
            part, or parts without training images.
    """
    folders = visible_folders(path)
    named = {folder: part_of(folder.name) for folder in folders}
    likely = [folder for folder in folders if named[folder]]
    if not likely:
        return _FolderLayout({"train": path})
    others = [folder for folder in folders if not named[folder]]
    empty = [folder for folder in others if not has_images(folder)]
    classes = [folder for folder in others if folder not in empty]
    split = [folder for folder in likely if _holds_folders(folder)]
    if classes and not split:
        return _FolderLayout({"train": path}, [_class_note(likely)])
    if classes:
        raise _two_readings(path, likely, classes)
    if not split and any(has_images(folder, deep=False) for folder in likely):
        raise ValueError(
            "The parts hold images, and no folder a class in them: which "
            f"image shows what is not said. {LAYOUT} If they are classes, put "
            f"their folders into {str(path / 'train')!r}. Received: "
            f"path={str(path)!r} with the folders {_names(likely)}"
        )
    return _FolderLayout(_parts(path, likely, named), others=empty)


def part_of(name):
    """Returns the part that a folder's name stands for, `None` for others.

    >>> part_of("Training_Set")
    'train'
    """
    name = re.sub(r"[-_. ]", "", name.lower())
    name = re.sub(r"(set|data|dataset|images?|split)$", "", name)
    for part, names in PART_NAMES.items():
        if name in names:
            return part
    return None


def _holds_folders(path):
    return any(has_images(folder) for folder in visible_folders(path))


def _parts(path, likely, named):
    parts = {}
    for folder in likely:
        if named[folder] in parts:
            raise ValueError(
                f"Two folders are for the {named[folder]} part. Put their "
                "images together, or move one away. Received: "
                f"path={str(path)!r} with the folders "
                f"{_names([parts[named[folder]], folder])}"
            )
        parts[named[folder]] = folder
    if "train" not in parts:
        raise ValueError(
            f"The folder has no `train` folder. {LAYOUT} Received: "
            f"path={str(path)!r} with the folders {_names(likely)}"
        )
    return {name: parts[name] for name in PART_NAMES if name in parts}


def _two_readings(path, likely, classes):
    inside = {
        folder.name
        for part in likely
        for folder in visible_folders(part)
        if has_images(folder)
    }
    return ValueError(
        f"The folder can be read in two ways: as the classes "
        f"{_names([*classes, *likely])}, or as the parts {_names(likely)} of "
        f"the classes {_names(inside)}, with {_names(classes)} left out. If "
        "the first is meant, put all class folders into a folder "
        f"{str(path / 'train')!r}; if the second, move {_names(classes)} "
        f"somewhere else. Received: path={str(path)!r}"
    )


def _class_note(folders):
    names = _names(folders)
    return (
        f"{names} beside other classes holds images itself, so it counts as "
        "a class, not as a part of a split."
    )


def _names(folders, most=8):
    names = sorted(getattr(folder, "name", folder) for folder in folders)
    text = ", ".join(map(repr, names[:most]))
    return f"{text} and {len(names) - most} more" if names[most:] else text
