"""Images without labels: a folder of photos and videos, or one video."""

import hashlib
import pathlib

import numpy as np
from PIL import Image

from kerastl.apps.data.decode_image import is_video_name
from kerastl.apps.data.decode_image import to_square
from kerastl.apps.data.find_images import HIDDEN
from kerastl.apps.data.find_images import FoundImages
from kerastl.apps.data.find_images import LeftOut
from kerastl.apps.data.find_images import describe_left_out
from kerastl.apps.data.find_images import find_images
from kerastl.apps.data.find_images import relative_names
from kerastl.apps.data.find_images import warn_left_out
from kerastl.apps.data.image_part import ImagePart
from kerastl.apps.data.image_part import fits
from kerastl.apps.data.image_part import map_in_threads
from kerastl.apps.data.image_part import read_part
from kerastl.apps.data.list_image_folder import require_folder
from kerastl.apps.data.same_photos import Pictures
from kerastl.apps.data.same_photos import fingerprint
from kerastl.apps.texts import literal
from kerastl.arguments import checked_path

# What is said of long lists of files.
_COMPARING = "comparing"


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
    path = checked_path("unlabelled", path)
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
        return _find_some_images(path, "unlabelled"), []
    found.left_out = [
        each for each in found.left_out if each.file not in videos
    ]
    return found, sorted(videos)


def _without_judges(part, judges):
    """Leaves out what a run is measured on; returns how many these were."""
    digests = {
        digest
        for judge in judges
        for digest in map_in_threads(_digest, judge.files, _COMPARING)
    }
    kept = [
        index
        for index, digest in enumerate(
            map_in_threads(_digest, part.files, _COMPARING)
        )
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


# Files that hold their frames themselves. A playlist, whatever it is called,
# would make FFmpeg open what it names.
_CONTAINERS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpeg,mpegts,mpegvideo"
# Seconds from one frame that is looked at to the next.
_STEP = 0.25


def read_video(path, size, most, known=None):
    """Reads the frames of a video of which no two are near copies.

    Four frames a second are looked at. A frame is left out where it is a near
    copy of one before, as of a camera that stands still, or of one in `known`.
    Where more are left than there is room for, every second one goes, and half
    as many a second are looked at from there on.

    Args:
        path: The file.
        size: Height and width of the frames: as of photos, the short side is
            resized to it and the middle of the long side is kept. The rotation
            that a phone notes is applied.
        most: Frames to keep at most.
        known: `Pictures` that no frame may be a copy of.

    Returns:
        `uint8` array `(n, size, size, 3)`, and the number of frames that were
        looked at. A file that is cut short gives what there is.

    Raises:
        ImportError: PyAV is missing.
        ValueError: There is no frame in the file, or none can be read.
    """
    try:
        import av
    except ImportError as error:
        raise ImportError(
            "Videos need PyAV (pip install 'kerastl[video]', or av alone). "
            f"Received: unlabelled={str(path)!r}"
        ) from error
    kept, reason = _Kept(size, most, known), None
    try:
        with (
            open(path, "rb") as file,
            av.open(file, options={"format_whitelist": _CONTAINERS}) as video,
        ):
            if not video.streams.video:
                raise ValueError(_no_frames(path, "it has no picture, none"))
            stream = video.streams.video[0]
            stream.thread_type = "AUTO"
            for number, frame in enumerate(video.decode(stream)):
                kept.look(frame, _seconds(frame, number, stream))
    except (av.error.FFmpegError, OSError) as error:
        reason = f"{error.strerror or error}, none"
    if not kept.looked:
        raise ValueError(_no_frames(path, reason or "it is empty, none"))
    return np.stack(kept.frames) if kept.frames else kept.none(), kept.looked


class _Kept:
    def __init__(self, size, most, known):
        self.frames, self.looked = [], 0
        self._size, self._most = size, most
        self._known, self._seen = known or Pictures(), Pictures()
        self._step, self._next = _STEP, 0.0

    def look(self, frame, seconds):
        if seconds < self._next:
            return
        self._next = seconds + self._step
        self.looked += 1
        image = frame.to_image()
        if frame.rotation:
            image = image.rotate(frame.rotation, expand=True)
        image = to_square(image, self._size)
        found = fingerprint(image)
        if self._seen.has_copy(*found) or self._known.has_copy(*found):
            return
        self._seen.add(*found)
        self.frames.append(np.asarray(image))
        if len(self.frames) > self._most:
            self.frames = self.frames[::2]
            self._step *= 2

    def none(self):
        return np.empty((0, self._size, self._size, 3), "uint8")


def _seconds(frame, number, stream):
    if frame.time is not None:
        return frame.time
    return number / float(stream.average_rate or 25)


def _no_frames(path, reason):
    return (
        f"There are no frames to read in the video: {reason} that can be "
        "decoded. Convert it to H.264 in MP4, or name another. "
        f"Received: unlabelled={str(path)!r}"
    )


def list_images(path, name="unlabelled"):
    """Lists the image files of a folder and of the folders in it.

    By the rules of `find_images`. Images that cannot be read are warned of.

    Args:
        path: A folder of images, of class folders or of both.
        name: What errors call the images.

    Returns:
        A sorted list of paths.

    Raises:
        FileNotFoundError: If there is no such folder.
        NotADirectoryError: If it is a file, such as an archive.
        ValueError: If there are no images in it.
    """
    found = _find_some_images(path, name)
    missed = [each for each in found.left_out if each.is_image]
    warn_left_out(path, relative_names(missed, path))
    return found.files


def _find_some_images(path, name):
    """`find_images` of a folder that has to have some; see `list_images`."""
    path = checked_path(name, path)
    require_folder(path, f"folder of {name} images", name, "Name a folder.")
    found = find_images(path)
    if not found.files:
        reasons = describe_left_out(relative_names(found.left_out, path))
        raise ValueError(
            f"There are no images in the folder of {name} images."
            f"{''.join(f' {line}.' for line in reasons)} "
            f"Received: {name}={str(path)!r}"
        )
    return found
