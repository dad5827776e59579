"""A source and a target task that need no download."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from kerastl.apps.data.augmentation import Augmentation
from kerastl.apps.data.check_memory import check_memory
from kerastl.apps.data.image_data import ImageData
from kerastl.apps.data.image_part import ImagePart
from kerastl.apps.data.load_image_folder import choose_shots
from kerastl.apps.data.load_image_folder import split_by_class
from kerastl.arguments import checked_count
from kerastl.arguments import needed_seed

_FIRST_TARGET = 5
_PIXELS = 8
_WHITE = 16


@dataclass(frozen=True)
class DigitsPair:
    """Two tasks on handwritten digits.

    Args:
        source: `ImageData` of the digits 0 to 4.
        target: `ImageData` of the digits 5 to 9.
    """

    source: ImageData
    target: ImageData


def load_digits_pair(
    seed: int = 0,
    shots: int = 25,
    image_size: int = 32,
    batch_size: int = 32,
    validation_shots: int = 20,
    unlabelled_shots: int = 0,
) -> DigitsPair:
    """Loads the digits bundled with scikit-learn as two tasks.

    The 8 x 8 digits are enlarged to three quarters of the image, white on
    black, so that every crop and shift of the stored, larger images has the
    whole digit in it. Source: digits 0 to 4, a fifth of them for test.
    Target: digits 5 to 9, `shots` of each for training, some for validation
    and all the others for test. Images are shifted and slightly zoomed, not
    mirrored, for training.

    Args:
        seed: Seed of splits, order and augmentation.
        shots: Training images of each target digit.
        image_size: Height and width of the images that the network takes.
        batch_size: Images in a batch.
        validation_shots: Validation images of each target digit.
        unlabelled_shots: Images of each target digit to use without labels.

    Returns:
        A `DigitsPair`.

    Raises:
        ValueError: If there are not that many digits, or the images are
            smaller than 16 x 16, or larger than there is memory for.

    Example:

    ```python
    pair = kerastl.apps.load_digits_pair(shots=25)
    pair.source.class_names  # ['0', '1', '2', '3', '4']
    ```
    """
    image_size = checked_count("image_size", image_size, least=2 * _PIXELS)
    batch_size = checked_count("batch_size", batch_size)
    shots = checked_count("shots", shots)
    seed = needed_seed("seed", seed)
    pixels, digits = _bundled_digits()
    check_memory(
        # Stored in colour, after they were enlarged in double precision.
        len(pixels) * (3 * (image_size * 5 // 4) ** 2 + 8 * image_size**2 // 2),
        "The digits at this size",
        image_size=image_size,
    )
    images = _enlarge(pixels, image_size)
    is_target = digits >= _FIRST_TARGET
    options: dict[str, Any] = {
        "image_size": image_size,
        "batch_size": batch_size,
        "augmentation": Augmentation(min_area=0.64, max_aspect=1, flip=False),
        "seed": seed,
    }
    source = _source_parts(images[~is_target], digits[~is_target], seed)
    target = _target_parts(
        images[is_target],
        digits[is_target] - _FIRST_TARGET,
        shots,
        validation_shots,
        unlabelled_shots,
        seed,
    )
    unlabelled = target.pop("unlabelled", None)
    return DigitsPair(
        ImageData(source, [str(d) for d in range(5)], **options),
        ImageData(
            target,
            [str(d) for d in range(5, 10)],
            unlabelled=unlabelled,
            **options,
        ),
    )


def _bundled_digits():
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise ImportError(
            "The bundled digits need scikit-learn: `pip install scikit-learn`"
        ) from error
    bundle = load_digits()
    return bundle.images, bundle.target.astype("int32")


def _enlarge(pixels, image_size):
    """Enlarges with linear interpolation and adds the black border."""
    side = image_size * 3 // 4
    at = np.clip((np.arange(side) + 0.5) * _PIXELS / side - 0.5, 0, _PIXELS - 1)
    low = np.minimum(at.astype(int), _PIXELS - 2)
    part = at - low
    mix = np.zeros((side, _PIXELS))
    mix[np.arange(side), low] = 1 - part
    mix[np.arange(side), low + 1] = part
    enlarged = np.einsum("yi,nij,xj->nyx", mix, pixels * 255 / _WHITE, mix)
    border = image_size + image_size // 4 - side
    before, after = border // 2, border - border // 2
    enlarged = np.pad(
        np.rint(enlarged).astype("uint8"),
        ((0, 0), (before, after), (before, after)),
    )
    return np.repeat(enlarged[..., None], 3, axis=-1)


def _source_parts(images, labels, seed):
    train, test = split_by_class(labels, 0.2, seed)
    return {
        "train": _part(images, labels, train),
        "test": _part(images, labels, test),
    }


def _target_parts(
    images, labels, shots, validation_shots, unlabelled_shots, seed
):
    most = int(np.bincount(labels).min()) - 1
    wanted = shots + validation_shots + unlabelled_shots
    if (
        shots < 1
        or min(validation_shots, unlabelled_shots) < 0
        or (wanted > most)
    ):
        raise ValueError(
            f"There are {most + 1} images of the rarest digit; shots, "
            "validation shots and unlabelled shots together must leave one "
            f"for the test. Received: shots={shots}, "
            f"validation_shots={validation_shots}, "
            f"unlabelled_shots={unlabelled_shots}"
        )
    parts, seen, count = {}, np.array([], int), 0
    for name, more in {
        "train": shots,
        "validation": validation_shots,
        "unlabelled": unlabelled_shots,
    }.items():
        count += more
        chosen = choose_shots(labels, count, seed)
        if more:
            parts[name] = np.setdiff1d(chosen, seen)
        seen = chosen
    parts["test"] = np.setdiff1d(np.arange(len(labels)), seen)
    return {
        name: _part(images, labels, indices) for name, indices in parts.items()
    }


def _part(images, labels, indices):
    return ImagePart(labels[indices], images.shape[1], images[indices])
