"""Which photos are the same: by their bytes, by their looks, seen before."""

import hashlib
import pathlib

import numpy as np
from PIL import Image

from kerastl.apps.data.image_part import map_in_threads

# Bits of 64 in which the hashes of copies may differ, and how alike their
# small pictures have to be then: plain photos have like hashes, too.
BITS = 10
ALIKE = 0.97
_SMALL = 32
# Of the cosines of a small picture, the lowest; their signs are the hash.
_LOW = 8


def fingerprint(image):
    """Returns the hash and the small grey picture of an image.

    Copies of another size, quality or format have nearly the same, pictures
    that are cropped, turned or mirrored have not.

    Args:
        image: A Pillow image, of mode `"L"` or another that becomes it.

    Returns:
        An int of 64 bits, the perceptual hash of the cosine transform (as
        ImageHash's `phash`), and a `uint8` array `(32, 32)`.
    """
    small = image.convert("L").resize((_SMALL, _SMALL), Image.Resampling.BOX)
    small = np.asarray(small)
    return _hash(small.astype("float32")), small


def unit_picture(small):
    """The picture without its brightness and contrast, as a unit vector."""
    values = small.ravel().astype("float32")
    values -= values.mean()
    return values / max(np.linalg.norm(values), 1.0)


class Pictures:
    """Pictures that others are held against."""

    def __init__(self):
        self._count = 0
        self._hashes = np.empty(64, "uint64")
        self._units = np.empty((64, _SMALL * _SMALL), "float32")

    def has_copy(self, hashed, small):
        """Whether one of the pictures is a copy of that fingerprint."""
        differing = np.bitwise_count(self._hashes ^ np.uint64(hashed))
        near = self._units[: self._count][differing[: self._count] <= BITS]
        return bool(np.any(near @ unit_picture(small) >= ALIKE))

    def add(self, hashed, small):
        """Adds the picture of that fingerprint."""
        if self._count == len(self._hashes):
            self._hashes = np.resize(self._hashes, 2 * self._count)
            self._units = np.resize(
                self._units, (2 * self._count, _SMALL * _SMALL)
            )
        self._hashes[self._count] = hashed
        self._units[self._count] = unit_picture(small)
        self._count += 1


def _hash(small):
    steps = np.arange(_SMALL)
    cosines = np.cos(
        np.pi * np.arange(_LOW)[:, None] * (2 * steps + 1) / (2 * _SMALL)
    )
    low = (cosines @ small @ cosines.T).ravel()
    bits = low > np.median(low[1:])
    return int.from_bytes(np.packbits(bits).tobytes(), "big")


_LENGTH = 16
_CHUNK = 1 << 20


def digest_file(path):
    """Returns the digest of a file's contents, as hexadecimal text."""
    digest = hashlib.blake2b(digest_size=_LENGTH)
    with open(path, "rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def describe_copies(parts):
    """Says how many images that judge a network are training images, too.

    Args:
        parts: Dict from name to `ImagePart`, one of them `"train"`.

    Returns:
        A list of sentences, one of each other part that has some. Images
        that are decoded count by their pixels, others by their files' bytes.
    """
    train = parts["train"]
    known = {}
    for content, label in zip(_contents(train), train.labels, strict=True):
        known.setdefault(content, set()).add(label)
    said = []
    for name, part in parts.items():
        if part is train:
            continue
        found = [
            label in known[content]
            for content, label in zip(_contents(part), part.labels, strict=True)
            if content in known
        ]
        if not found:
            continue
        other = found.count(False)
        more = f", {other} of them in another class" if other else ""
        said.append(
            f"{len(found)} of {len(part)} {name} images are among the training "
            f"images, too{more}: what is measured on them is not of new photos."
        )
    return said


def _contents(part):
    if part.images is not None:
        return [hashlib.blake2b(each).digest() for each in part.images]
    return map_in_threads(digest_file, part.files, "comparing")


#: Of a run: a digest a line.
SEEN = "seen_photos.txt"
# Validation images chose what there was to choose, such as the method.
_PARTS = ("train", "validation")


def seen_text(data):
    """Text of the file that says which photos a run has seen.

    Args:
        data: The `apps.ImageData` that it was trained on; images in arrays
            are left out.
    """
    parts = [data.parts[name] for name in _PARTS if name in data.parts]
    if data.unlabelled is not None:
        parts.append(data.unlabelled)
    files = [file for part in parts for file in part.files or ()]
    digests = sorted(set(map_in_threads(digest_file, files, "comparing")))
    return "".join(f"{digest}\n" for digest in digests)


def count_seen(model, files):
    """Counts the photos that the run beside a model file has seen.

    Args:
        model: Path of the model file.
        files: Paths of photos, or `None` of images in arrays.

    Returns:
        The number; `None` where nothing says which it has seen.
    """
    path = pathlib.Path(model).with_name(SEEN)
    if not files or not path.is_file():
        return None
    seen = set(path.read_text(encoding="utf-8").split())
    if not seen:
        return None
    return sum(
        digest in seen
        for digest in map_in_threads(digest_file, files, "comparing")
    )
