"""Images from a folder of class folders."""

from pathlib import Path

import numpy as np

from kerastl.apps.data.augmentation import Augmentation
from kerastl.apps.data.augmentation import make_augmentation
from kerastl.apps.data.check_memory import check_batch_fits
from kerastl.apps.data.decode_image import default_margin
from kerastl.apps.data.find_images import HIDDEN
from kerastl.apps.data.find_images import relative_names
from kerastl.apps.data.find_images import warn_left_out
from kerastl.apps.data.image_data import ImageFolder
from kerastl.apps.data.image_part import fits
from kerastl.apps.data.image_part import in_memory
from kerastl.apps.data.image_part import read_part
from kerastl.apps.data.list_image_folder import PART_NAMES
from kerastl.apps.data.list_image_folder import list_image_folder
from kerastl.apps.data.load_unlabelled import load_unlabelled
from kerastl.apps.data.same_photos import describe_copies
from kerastl.arguments import checked_count
from kerastl.arguments import checked_number
from kerastl.arguments import checked_path
from kerastl.arguments import needed_seed
from kerastl.types import PathLike


def load_image_folder(
    path: PathLike,
    image_size: int,
    batch_size: int = 32,
    shots: int | None = None,
    validation_split: float = 0.2,
    test_split: float = 0.0,
    seed: int = 0,
    augment: str = "light",
    flip: bool = True,
    margin: int | None = None,
    strict: bool = False,
    memory_limit: int = 1 << 30,
    unlabelled: bool | PathLike = False,
) -> ImageFolder:
    """Loads a folder of class folders.

    Every file is opened and decoded to its end before the function returns,
    so that a damaged file shows now and not in the third epoch. Images are
    kept in memory as bytes as long as they fit, a little larger than the
    network takes them: evaluation uses the centre, training uses random
    crops and mirror images.

    Which files are taken, and which left out, is told in `find_images` and
    `list_image_folder`; images that are left out are warned of, and all that
    is left out is in `left_out` and in `summary()`.

    Args:
        path: A folder `<class>/<images>`, or one with the folders `train`
            and, optionally, `validation` (or `valid`, `val`) and `test` that
            have the class folders in them.
        image_size: Height and width of the images that the network takes.
        batch_size: Images in a batch.
        shots: Use so many training images of each class, chosen with `seed`.
            `None` uses all.
        validation_split: Share of each class of the training images that
            becomes the validation part, if the folder has none. 0 for none.
        test_split: The same for the test part.
        seed: Seed of splits, shots, order and augmentation.
        augment: What is done to training images: `"none"`; `"light"`, random
            crops and mirror images; `"strong"`, Keras's RandAugment,
            RandomErasing and MixUp too; or any of `"rand_augment"`,
            `"random_erasing"`, `"mixup"` and `"cutmix"`, joined by `+`. With
            MixUp or CutMix the labels of training batches are probabilities
            (see `apps.Augmentation`).
        flip: Whether augmentation mirrors images. Turn it off where left and
            right mean something.
        margin: Pixels kept around an image for crops and shifts. Defaults to
            15 % of `image_size`, at least 8.
        strict: Whether files that cannot be used raise an error. Otherwise
            they are left out and listed in `skipped`.
        memory_limit: Bytes of images to keep in memory. Beyond it files are
            decoded again in every epoch.
        unlabelled: Images without labels to train on beside: a folder of
            images and videos, class folders or not; a video, of which frames
            that differ enough are taken (`pip install kerastl[video]`); or
            `True` for the training images that `shots` leaves over.

    Returns:
        An `ImageFolder`.

    Raises:
        FileNotFoundError: If there is no such folder.
        ValueError: If an argument is out of range, a batch takes more memory
            than there is, the folder has another layout, fewer than two
            classes or no images, a class has no readable images or fewer than
            `shots`, or with `strict` a file cannot be used.

    Example:

    ```python
    data = kerastl.apps.load_image_folder("photos", image_size=128, shots=25)
    print(data.summary())
    model.fit(data.train, validation_data=data.validation)
    ```
    """
    if unlabelled is not None and not isinstance(unlabelled, bool | np.bool_):
        unlabelled = checked_path("unlabelled", unlabelled, "True")
    image_size = checked_count("image_size", image_size, least=8)
    batch_size = checked_count("batch_size", batch_size)
    seed = needed_seed("seed", seed)
    augmentation = make_augmentation(augment, Augmentation(flip=flip))
    if shots is not None:
        shots = checked_count("shots", shots)
    if margin is None:
        margin = default_margin(image_size)
    margin = checked_count("margin", margin, least=0)
    validation_split, test_split = _checked_shares(validation_split, test_split)
    size = image_size + margin
    listing = list_image_folder(path)
    count = max(map(len, listing.parts.values()))
    check_batch_fits(image_size, margin, min(batch_size, count))
    _check_shots(shots, [label for _, label in listing.parts["train"]], listing)

    kept = fits(sum(map(len, listing.parts.values())), size, memory_limit)
    left_out = list(listing.left_out)
    parts = {}
    for name, files in listing.parts.items():
        parts[name], failed = read_part(files, size, kept)
        left_out += failed
    skipped = relative_names(_images(left_out), path)
    if strict and skipped:
        raise ValueError(
            f"{len(skipped)} image files cannot be used, the first is "
            f"{skipped[0][0]}: {skipped[0][1]}. Repair or remove them, or "
            f"load with `strict=False`. Received: path={str(path)!r}, "
            "strict=True"
        )
    _check_every_class_readable(parts["train"], listing, skipped)
    notes = listing.notes + _split(parts, validation_split, test_split, seed)
    left = None
    if shots is not None:
        train = parts["train"]
        _check_shots(shots, train.labels, listing)
        chosen = choose_shots(train.labels, shots, seed)
        parts["train"] = train.take(chosen)
        left = np.setdiff1d(np.arange(len(train)), chosen)
        notes.append(f"{shots} training images a class, seed {seed}.")
    if not kept and fits(sum(map(len, parts.values())), size, memory_limit):
        parts = {name: in_memory(part) for name, part in parts.items()}
    notes += describe_copies(parts)
    more = None
    if unlabelled is True and left is not None and len(left):
        more = train.take(left)
        notes.append(
            f"The {len(left)} training images that are left over train "
            "without their labels."
        )
    elif unlabelled and unlabelled is not True:
        more, failed, said = load_unlabelled(
            unlabelled, size, parts, memory_limit
        )
        left_out += failed
        notes += said
        skipped = relative_names(_images(left_out), path)
    warn_left_out(path, skipped)
    return ImageFolder(
        path=Path(path),
        skipped=skipped,
        left_out=relative_names(left_out, path),
        notes=notes,
        parts={
            name: parts[name]
            for name in PART_NAMES
            if name in parts and len(parts[name])
        },
        class_names=listing.class_names,
        image_size=image_size,
        batch_size=batch_size,
        augmentation=augmentation,
        seed=seed,
        unlabelled=more,
    )


def _images(left_out):
    return [
        each for each in left_out if each.is_image and each.reason != HIDDEN
    ]


def _split(parts, validation_split, test_split, seed):
    """Makes the parts that the folder lacks; returns what to say about it."""
    notes = []
    wanted = {"test": test_split, "validation": validation_split}
    for name, share in wanted.items():
        if name in parts or not share:
            continue
        rest, taken = split_by_class(parts["train"].labels, share, seed)
        parts[name] = parts["train"].take(taken)
        parts["train"] = parts["train"].take(rest)
        notes.append(
            f"The folder has no {name} part: {share:.0%} of the training "
            f"images of each class were taken, seed {seed}."
        )
    return notes


def _checked_shares(validation_split, test_split):
    validation_split, test_split = (
        checked_number(name, share, least=0, below=1)
        for name, share in (
            ("validation_split", validation_split),
            ("test_split", test_split),
        )
    )
    if validation_split + test_split >= 1:
        raise ValueError(
            "`validation_split` and `test_split` must be shares from 0 that "
            "leave some images for training. Received: "
            f"validation_split={validation_split}, test_split={test_split}"
        )
    return validation_split, test_split


def _check_shots(shots, labels, listing):
    if shots is None:
        return
    counts = np.bincount(labels, minlength=len(listing.class_names))
    for name, count in zip(listing.class_names, counts, strict=True):
        if count < shots:
            raise ValueError(
                f"The class '{name}' has {count} training images, fewer than "
                "the shots asked for. Add images, or ask for fewer shots. "
                f"Received: shots={shots}"
            )


def _check_every_class_readable(train, listing, skipped):
    counts = np.bincount(train.labels, minlength=len(listing.class_names))
    for name, count in zip(listing.class_names, counts, strict=True):
        if count == 0:
            raise ValueError(
                f"The class '{name}' has no training image that can be read. "
                f"The first of {len(skipped)} files that cannot be used is "
                f"{skipped[0][0]}: {skipped[0][1]}. Replace them, or move "
                "the folder away."
            )


def split_by_class(labels, share, seed):
    """Splits indices into two, with the same share of every class.

    Args:
        labels: Integer labels `(n,)`.
        share: Share of each class that goes into the second part, rounded.
            A class with two or more images leaves at least one in each.
        seed: Seed of the choice.

    Returns:
        Two sorted arrays of indices.
    """
    second = []
    for members in _shuffled_classes(labels, seed):
        count = int(round(share * len(members)))
        if share > 0 and len(members) > 1:
            count = min(max(count, 1), len(members) - 1)
        second.append(members[:count])
    second = np.sort(np.concatenate(second))
    return np.setdiff1d(np.arange(len(labels)), second), second


def choose_shots(labels, shots, seed):
    """Chooses the same number of every class.

    The choice for fewer shots is part of the choice for more, with the same
    seed.

    Args:
        labels: Integer labels `(n,)`; every class has at least `shots`.
        shots: How many of each class.
        seed: Seed of the choice.

    Returns:
        A sorted array of indices.
    """
    chosen = [m[:shots] for m in _shuffled_classes(labels, seed)]
    return np.sort(np.concatenate(chosen))


def _shuffled_classes(labels, seed):
    labels = np.asarray(labels)
    for label in np.unique(labels):
        # A generator for each class: a class more changes no other's choice.
        generator = np.random.default_rng([seed, int(label)])
        yield generator.permutation(np.flatnonzero(labels == label))
