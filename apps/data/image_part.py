"""The images of one part of a data set: train, validation or test."""

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from kerastl.apps.data.decode_image import decode_image


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

    def read(self, indices):
        """Returns the images at `indices` as one `uint8` array."""
        if self.images is not None:
            return self.images[indices]
        return np.stack(
            map_in_threads(
                lambda index: decode_image(self.files[index], self.size),
                indices,
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


def map_in_threads(function, items):
    """Maps over items in as many threads as there are cores.

    Decoding releases Python's lock, so that threads are enough.
    """
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(function, items))
