"""The images of one part of a data set: train, validation or test."""

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from kerastl.apps.data.decode_image import UnreadableImageError
from kerastl.apps.data.decode_image import check_image
from kerastl.apps.data.decode_image import decode_image
from kerastl.apps.data.find_images import LeftOut
from kerastl.apps.data.reading_progress import tracked


@dataclass(frozen=True)
class ImagePart:
    """Labelled images, in memory or in files.

    The images are a little larger than the network's, which leaves room for
    crops and shifts.

    Args:
        labels: Integer labels, `int32` `(n,)`.
        size: Height and width of the images.
        images: `uint8` array `(n, size, size, 3)`, or `None` to decode
            `files` whenever they are read.
        files: Paths of the image files, or `None`.
    """

    labels: np.ndarray
    size: int
    images: np.ndarray | None = None
    files: tuple | None = None

    def __len__(self):
        return len(self.labels)

    def read(self, indices, doing=None):
        """Returns the images at `indices` as one `uint8` array.

        Args:
            indices: Places of the images.
            doing: As in `map_in_threads`.
        """
        if self.images is not None:
            return self.images[indices]
        return np.stack(
            map_in_threads(
                lambda index: decode_image(self.files[index], self.size),
                indices,
                doing,
            )
        )

    def take(self, indices):
        """Returns the part of the images at `indices`."""
        return ImagePart(
            self.labels[indices],
            self.size,
            None if self.images is None else self.images[indices],
            None
            if self.files is None
            else tuple(self.files[index] for index in indices),
        )

    def stratified_order(self, limit=None):
        """Returns indices that take the classes in turn.

        The first n images have, as far as there are enough, the same number
        of each class, whatever n is.
        """
        rank = np.zeros(len(self.labels), "int64")
        for label in np.unique(self.labels):
            members = np.flatnonzero(self.labels == label)
            rank[members] = np.arange(len(members))
        return np.lexsort((self.labels, rank))[:limit]


def map_in_threads(function, items, doing=None):
    """Maps over items in as many threads as there are cores.

    Decoding releases Python's lock, so that threads are enough.

    Args:
        function: What is done to each item.
        items: A sequence.
        doing: What is said of it where it takes long, see `tracked`.
    """
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(tracked(pool.map(function, items), len(items), doing))


def fits(count, size, memory_limit):
    """Whether so many images may be kept in memory."""
    return count * size * size * 3 <= memory_limit


def read_part(files, size, in_memory):
    """Decodes the files of one part, or only checks that they decode.

    Args:
        files: Pairs of file and label.
        size: Height and width of the images.
        in_memory: Whether the images are kept.

    Returns:
        An `ImagePart` of those that can be read, and a list of `LeftOut`s.
    """
    images = None
    if in_memory:
        images = np.empty((len(files), size, size, 3), "uint8")

    def read(index):
        file = files[index][0]
        try:
            if in_memory:
                images[index] = decode_image(file, size)
            else:
                check_image(file)
        except UnreadableImageError as error:
            return str(error)

    reasons = map_in_threads(read, range(len(files)), "reading")
    part = ImagePart(
        np.array([label for _, label in files], "int32"),
        size,
        images,
        tuple(file for file, _ in files),
    )
    failed = [
        LeftOut(file, reason, True)
        for (file, _), reason in zip(files, reasons, strict=True)
        if reason
    ]
    if failed:
        good = [i for i, reason in enumerate(reasons) if not reason]
        part = part.take(np.array(good, "int64"))
    return part, failed


def in_memory(part):
    """The same part, its images kept in memory."""
    images = part.read(np.arange(len(part)), "keeping") if len(part) else None
    return ImagePart(part.labels, part.size, images, part.files)
