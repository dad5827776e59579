"""The images of a task, by a folder, the bundled digits or a model."""

import dataclasses
import pathlib
import unicodedata

import numpy as np

from kerastl.apps.data.augmentation import NONE
from kerastl.apps.data.augmentation import make_augmentation
from kerastl.apps.data.class_names import read_class_names
from kerastl.apps.data.decode_image import default_margin
from kerastl.apps.data.decode_image import square_side
from kerastl.apps.data.find_images import relative_names
from kerastl.apps.data.find_images import visible_folders
from kerastl.apps.data.find_images import warn_left_out
from kerastl.apps.data.image_data import ImageData
from kerastl.apps.data.image_part import read_part
from kerastl.apps.data.load_digits_pair import load_digits_pair
from kerastl.apps.data.load_image_folder import load_image_folder
from kerastl.apps.data.load_unlabelled import list_images
from kerastl.apps.texts import literal
from kerastl.arguments import checked_path
from kerastl.arguments import nearest_hint

#: Stands for the digits 5 to 9 where there is no folder of that name.
DIGITS = "digits"
_SHOTS = 25
_UNLABELLED_SHOTS = 50


def load_task(
    path, image_size, batch_size, shots, seed, augment, unlabelled=False
):
    """Loads a folder of class folders, or the bundled digits 5 to 9.

    Args:
        path: Folder of class folders, or `"digits"`.
        image_size: Height and width of the images that the network takes.
        batch_size: Images in a batch.
        shots: Training images of each class. `None` uses all of a folder and
            25 of each digit.
        seed: Seed of all that is drawn.
        augment: As in `load_image_folder`.
        unlabelled: As in `load_image_folder`; the digits have their own, so
            that a folder does not go with them.

    Returns:
        An `ImageData`.

    Raises:
        FileNotFoundError: If there is no such folder.
        ValueError: If an argument does not fit.
    """
    if str(path) != DIGITS or pathlib.Path(path).is_dir():
        return load_image_folder(
            path,
            image_size,
            batch_size=batch_size,
            shots=shots,
            seed=seed,
            augment=augment,
            unlabelled=unlabelled,
        )
    if not isinstance(unlabelled, bool):
        raise ValueError(
            "The bundled digits have unlabelled images of their own. Leave "
            "`unlabelled` (--unlabelled) out. "
            f"Received: unlabelled={str(unlabelled)!r}"
        )
    data = load_digits_pair(
        seed,
        _SHOTS if shots is None else shots,
        image_size,
        batch_size=batch_size,
        unlabelled_shots=_UNLABELLED_SHOTS if unlabelled else 0,
    ).target
    data.augmentation = make_augmentation(augment, data.augmentation)
    return data


def load_matching_images(model_path, photos, runner, validation_split=0.2):
    """Loads a folder of photos for a model that has been trained already.

    Where the model's file names its classes, or a `labels.txt` beside it
    does, class folders are matched with these names, and the folder may have
    fewer classes than the model. Otherwise the folders count in alphabetical
    order, and there must be as many as the model has outputs.

    Args:
        model_path: File of the model.
        photos: Folder of class folders.
        runner: `kerastl.export.Runner` of the model.
        validation_split: Share of the images that is set aside, if the folder
            has no validation part.

    Returns:
        An `ImageData`, without augmentation.

    Raises:
        ValueError: If the classes of folder and model do not fit.
    """
    data = load_image_folder(
        photos,
        image_size=square_side(runner, model_path),
        validation_split=validation_split,
        augment=NONE,
    )
    names = read_class_names(model_path, runner.num_classes)
    if names is None:
        # One output is a yes or no, and has a folder for each.
        if data.num_classes != max(runner.num_classes, 2):
            raise ValueError(
                "Folder and model have different numbers of classes. Put a "
                "labels.txt with one class a line beside the model, so that "
                "folders are matched by name. Received: "
                f"{data.num_classes} class folders in {str(photos)!r}, "
                f"{runner.num_classes} outputs of {str(model_path)!r}"
            )
        return data
    # As the folders' names are, which are in Unicode's composed form.
    names = [unicodedata.normalize("NFC", name) for name in names]
    for name in data.class_names:
        if name not in names:
            hint = nearest_hint(name, names)
            raise ValueError(
                "The name of a folder is no class of the model, whose file, or "
                f"the labels.txt beside it, has them.{hint} Rename the folder, "
                "or put photos of other things elsewhere. Expected some of "
                f"{', '.join(map(literal, names))}. "
                f"Received: folder={name!r}"
            )
    place = np.array([names.index(name) for name in data.class_names], "int32")
    return ImageData(
        {
            name: dataclasses.replace(part, labels=place[part.labels])
            for name, part in data.parts.items()
        },
        names,
        data.image_size,
        data.batch_size,
    )


def are_loose(photos):
    """Whether a folder holds photos themselves, and no class folders."""
    path = checked_path("photos", photos)
    return path.is_dir() and not visible_folders(path)


def load_loose_images(model_path, photos, runner, count):
    """Loads photos that are of no class, as a calibration takes them.

    Args:
        model_path: File of the model.
        photos: Folder of photos.
        runner: `kerastl.export.Runner` of the model.
        count: How many to take at most, spread evenly over the names.

    Returns:
        A `uint8` array `(n, side, side, 3)`.

    Raises:
        ValueError: If there are none, or none can be read.
    """
    side = square_side(runner, model_path)
    files = list_images(photos, "photos")
    places = np.linspace(0, len(files) - 1, min(count, len(files)))
    chosen = [(files[round(place)], 0) for place in places]
    margin = default_margin(side)
    part, failed = read_part(chosen, side + margin, in_memory=True)
    warn_left_out(photos, relative_names(failed, photos))
    if not len(part):
        raise ValueError(
            "None of the photos can be read. Convert them to JPEG or PNG. "
            f"Received: photos={str(photos)!r}"
        )
    # The centre crops that evaluation uses.
    cut = slice(margin // 2, margin // 2 + side)
    return part.images[:, cut, cut]
