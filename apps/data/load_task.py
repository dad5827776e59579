"""The images of a run: a folder of photos, or the bundled digits."""

import pathlib

from kerastl.apps.data.load_digits_pair import load_digits_pair
from kerastl.apps.data.load_image_folder import load_image_folder

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
        augment: Whether training images are augmented.
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
    if not augment:
        data.augmentation = None
    return data
