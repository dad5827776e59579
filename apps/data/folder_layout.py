"""Which folders hold the classes, and which the parts of a split."""

import re
import tarfile
import zipfile
from dataclasses import dataclass
from dataclasses import field

from kerastl.apps.data.find_images import has_images
from kerastl.apps.data.find_images import visible_folders

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
class FolderLayout:
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
    if is_table(path):
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


def is_table(path):
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
        A `FolderLayout`.

    Raises:
        ValueError: If it can be read in two ways, has two folders for one
            part, or parts without training images.
    """
    folders = visible_folders(path)
    named = {folder: part_of(folder.name) for folder in folders}
    likely = [folder for folder in folders if named[folder]]
    if not likely:
        return FolderLayout({"train": path})
    others = [folder for folder in folders if not named[folder]]
    empty = [folder for folder in others if not has_images(folder)]
    classes = [folder for folder in others if folder not in empty]
    split = [folder for folder in likely if _holds_folders(folder)]
    if classes and not split:
        return FolderLayout({"train": path}, [_class_note(likely)])
    if classes:
        raise _two_readings(path, likely, classes)
    if not split and any(has_images(folder, deep=False) for folder in likely):
        raise ValueError(
            "The parts hold images, and no folder a class in them: which "
            f"image shows what is not said. {LAYOUT} If they are classes, put "
            f"their folders into {str(path / 'train')!r}. Received: "
            f"path={str(path)!r} with the folders {_names(likely)}"
        )
    return FolderLayout(_parts(path, likely, named), others=empty)


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
