"""Images without labels: a folder of photos and videos, or one video."""

import hashlib
import pathlib

import numpy as np
from PIL import Image

from kerastl.apps.data.find_images import HIDDEN
from kerastl.apps.data.find_images import FoundImages
from kerastl.apps.data.find_images import LeftOut
from kerastl.apps.data.find_images import find_images
from kerastl.apps.data.fingerprint import Pictures
from kerastl.apps.data.fingerprint import fingerprint
from kerastl.apps.data.folder_layout import require_folder
from kerastl.apps.data.image_formats import is_video_name
from kerastl.apps.data.image_part import ImagePart
from kerastl.apps.data.image_part import map_in_threads
from kerastl.apps.data.list_images import find_some_images
from kerastl.apps.data.literal import literal
from kerastl.apps.data.read_part import fits
from kerastl.apps.data.read_part import read_part
from kerastl.apps.data.read_video import read_video


def load_unlabelled(path, size, parts, memory_limit):
    """Reads images to learn from without labels.

    What a run is measured on does not come in: photos with the contents of a
    validation or test photo, and frames that are near copies of one.

    Args:
        path: Folder of images, of videos, or of both; or one video.
        size: Height and width of the images.
        parts: Dict of the `ImagePart`s of the labelled images.
        memory_limit: Bytes of images to keep in memory.

    Returns:
        An `ImagePart`, a list of `LeftOut`s, and a list of sentences that say
        what was read.

    Raises:
        FileNotFoundError: If there is nothing of that name.
        ImportError: If a video is there, and PyAV is not.
        ValueError: If no image is left.
    """
    path = pathlib.Path(path)
    found, videos = _find(path)
    judges = [parts[name] for name in ("validation", "test") if name in parts]
    files = [(file, 0) for file in found.files]
    in_memory = fits(len(files), size, memory_limit)
    if videos and not in_memory:
        raise ValueError(
            "The unlabelled photos do not fit in memory, where frames of "
            "videos are joined to them. Take the videos out of the "
            f"folder. Received: unlabelled={str(path)!r}"
        )
    part, failed = read_part(files, size, in_memory)
    part, known = _without_judges(part, judges)
    notes = []
    if videos:
        part, notes, broken = _with_frames(
            part, videos, judges, memory_limit, alone=videos == [path]
        )
        failed += broken
    if failed and not known and not len(part):
        raise ValueError(
            "None of the unlabelled images can be read, the first is "
            f"{failed[0].file}: {failed[0].reason}. "
            f"Received: unlabelled={str(path)!r}"
        )
    if not len(part):
        raise ValueError(
            "All of the unlabelled images are validation or test photos, on "
            "which the result is measured. Name a folder of others. "
            f"Received: unlabelled={str(path)!r}"
        )
    notes.insert(0, f"{len(part)} unlabelled images.")
    if known:
        notes.append(
            f"{known} more are validation or test photos: left out, so "
            "that what is measured is not flattered."
        )
    return part, found.left_out + failed, notes


def _find(path):
    """The photos, what is left out, and the videos."""
    if path.is_file() and is_video_name(path.suffix):
        return FoundImages(), [path]
    require_folder(
        path,
        "folder of unlabelled images",
        "unlabelled",
        "Name a folder, or a video.",
    )
    found = find_images(path)
    videos = [
        each.file
        for each in found.left_out
        if is_video_name(each.file.suffix) and each.reason != HIDDEN
    ]
    if not videos:
        return find_some_images(path, "unlabelled"), []
    found.left_out = [
        each for each in found.left_out if each.file not in videos
    ]
    return found, sorted(videos)


def _without_judges(part, judges):
    """Leaves out what a run is measured on; returns how many these were."""
    digests = {
        digest
        for judge in judges
        for digest in map_in_threads(_digest, judge.files)
    }
    kept = [
        index
        for index, digest in enumerate(map_in_threads(_digest, part.files))
        if digest not in digests
    ]
    return part.take(np.array(kept, "int64")), len(part) - len(kept)


def _digest(file):
    return hashlib.blake2b(pathlib.Path(file).read_bytes()).digest()


def _with_frames(part, videos, judges, memory_limit, alone):
    """Adds the frames of videos to the photos; also returns `LeftOut`s."""
    images, known = [part.images], _pictures(judges)
    room = memory_limit // (3 * part.size**2) - len(part)
    notes, failed = [], []
    for number, video in enumerate(videos):
        # What one video leaves over is for the next ones.
        most = max(room // (len(videos) - number), 1)
        try:
            frames, looked = read_video(video, part.size, most, known)
        except ValueError as error:
            if alone:
                raise
            failed.append(LeftOut(video, str(error), True))
            continue
        room -= len(frames)
        images.append(frames)
        notes.append(
            f"{len(frames)} frames of {literal(video.name)} differ enough, of "
            f"{looked} that were looked at."
        )
    images = np.concatenate(images)
    labels = np.zeros(len(images), "int32")
    return ImagePart(labels, part.size, images), notes, failed


def _pictures(judges):
    pictures = Pictures()
    for judge in judges:
        for index in range(len(judge)):
            (image,) = judge.read(np.array([index]))
            pictures.add(*fingerprint(Image.fromarray(image)))
    return pictures
