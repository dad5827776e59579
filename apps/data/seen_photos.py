"""Which photos a network has seen, so that it is not measured on them."""

import pathlib

from kerastl.apps.data.digest_file import digest_file
from kerastl.apps.data.image_part import map_in_threads

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
    digests = sorted(set(map_in_threads(digest_file, files)))
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
    return sum(digest in seen for digest in map_in_threads(digest_file, files))
