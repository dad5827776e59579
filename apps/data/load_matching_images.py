"""Photos whose labels mean what a model's outputs mean."""

import dataclasses
import unicodedata

import numpy as np

from kerastl.apps.data.image_data import ImageData
from kerastl.apps.data.load_image_folder import load_image_folder
from kerastl.apps.data.read_class_names import read_class_names
from kerastl.apps.data.square_side import square_side
from kerastl.arguments import unknown_name_error


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
        augment=False,
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
            raise unknown_name_error("class in labels.txt", name, names)
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
