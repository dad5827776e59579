"""The images of one part, decoded or at least looked at."""

import numpy as np

from kerastl.apps.data.decode_image import UnreadableImageError
from kerastl.apps.data.decode_image import check_image
from kerastl.apps.data.decode_image import decode_image
from kerastl.apps.data.find_images import LeftOut
from kerastl.apps.data.image_part import ImagePart
from kerastl.apps.data.image_part import map_in_threads


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

    reasons = map_in_threads(read, range(len(files)))
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
    images = part.read(np.arange(len(part))) if len(part) else None
    return ImagePart(part.labels, part.size, images, part.files)
