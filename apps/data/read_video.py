"""Frames of a video that differ from each other."""

import numpy as np

from kerastl.apps.data.decode_image import to_square
from kerastl.apps.data.fingerprint import Pictures
from kerastl.apps.data.fingerprint import fingerprint

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
