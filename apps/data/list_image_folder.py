"""Finding the images of a folder of class folders, without opening them."""

from dataclasses import dataclass
from pathlib import Path

IMAGE_SUFFIXES = (
    ".jpg",
    ".jpeg",
    ".png",
    ".bmp",
    ".webp",
    ".gif",
    ".tif",
    ".tiff",
)

PART_NAMES = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val"),
    "test": ("test", "testing"),
}

_LAYOUT = (
    "Expected one folder of images for each class, `photos/<class>/*.jpg`, "
    "or such folders in `photos/train`, `photos/validation` and "
    "`photos/test`."
)


@dataclass(frozen=True)
class FolderListing:
    """The image files of a folder.

    Args:
        class_names: The classes, sorted.
        parts: Dict from part to a list of `(file, label)`. Without a split
            all are in `"train"`.
        ignored: Files that are no images by their name.
    """

    class_names: list
    parts: dict
    ignored: list


def list_image_folder(path):
    """Lists the images of a folder and checks the layout.

    Args:
        path: A folder of class folders, or of `train`, `validation` (or
            `valid`, `val`) and `test` folders with class folders in them.

    Returns:
        A `FolderListing`.

    Raises:
        FileNotFoundError: If there is no such folder.
        ValueError: If the layout is another, there is only one class, or a
            class has no images.
    """
    path = Path(path)
    if not path.is_dir():
        raise FileNotFoundError(
            f"The image folder does not exist. {_LAYOUT} "
            f"Received: path={str(path)!r}"
        )
    part_folders = _find_parts(path)
    class_names = [folder.name for folder in _folders(part_folders["train"])]
    if len(class_names) < 2:
        raise ValueError(
            f"At least two classes are needed. {_LAYOUT} Received: "
            f"path={str(part_folders['train'])!r} with the class folders "
            f"{class_names}"
        )
    parts, ignored = {}, []
    for part, folder in part_folders.items():
        parts[part], others = _list_part(part, folder, class_names)
        ignored += others
    _check_not_empty(path, parts, class_names, ignored)
    return FolderListing(class_names, parts, ignored)


def _find_parts(path):
    by_name = {folder.name.lower(): folder for folder in _folders(path)}
    found = {}
    for part, names in PART_NAMES.items():
        matches = [by_name[name] for name in names if name in by_name]
        if matches:
            found[part] = matches[0]
    if "train" in found:
        return found
    if found and len(found) == len(by_name):
        raise ValueError(
            f"The folder has no `train` folder. {_LAYOUT} Received: "
            f"path={str(path)!r} with the folders {sorted(by_name)}"
        )
    return {"train": path}


def _list_part(part, folder, class_names):
    files, ignored = [], []
    for class_folder in _folders(folder):
        if class_folder.name not in class_names:
            raise ValueError(
                f"The {part} images have a class that the training images "
                f"lack: '{class_folder.name}'. Every class needs training "
                f"images. Received: path={str(class_folder)!r}, training "
                f"classes {class_names}"
            )
        label = class_names.index(class_folder.name)
        for file in sorted(class_folder.rglob("*")):
            if file.name.startswith(".") or not file.is_file():
                continue
            if file.suffix.lower() in IMAGE_SUFFIXES:
                files.append((file, label))
            else:
                ignored.append(file)
    return files, ignored


def _check_not_empty(path, parts, class_names, ignored):
    kinds = sorted({file.suffix.lower() or file.name for file in ignored})
    seen = f" There are {len(ignored)} other files ({', '.join(kinds)})."
    labels = {label for _, label in parts["train"]}
    if not labels:
        raise ValueError(
            f"There are no images in the folder.{seen if ignored else ''} "
            f"Images end in {', '.join(IMAGE_SUFFIXES)}. {_LAYOUT} "
            f"Received: path={str(path)!r}"
        )
    for label, name in enumerate(class_names):
        if label not in labels:
            raise ValueError(
                f"The class '{name}' has no training images."
                f"{seen if ignored else ''} Images end in "
                f"{', '.join(IMAGE_SUFFIXES)}. Add images, or move the "
                f"folder away. Received: path={str(path)!r}"
            )


def _folders(path):
    return sorted(
        folder
        for folder in path.iterdir()
        if folder.is_dir() and not folder.name.startswith(".")
    )
