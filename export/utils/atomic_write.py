"""Writes a file beside its destination and renames it into place."""

import contextlib
import errno
import os
import pathlib
import re
import shutil
import tempfile
import time

from kerastl.arguments import checked_path
from kerastl.export.utils.file_lock import FileLock
from kerastl.export.utils.file_lock import is_locked

_LOCK = ".lock"
_DAY = 24 * 60 * 60
# What a write ends with where there is no room, in this order of likelihood.
_FULL = tuple(
    getattr(errno, name)
    for name in ("ENOSPC", "EDQUOT", "EFBIG")
    if hasattr(errno, name)
)


class DiskFullError(OSError):
    """There is no room to write a file."""


@contextlib.contextmanager
def staged_file(path, suffix, overwrite=False):
    """Yields a path to write to; it becomes `path` if the block succeeds.

    The staging folder lies next to `path`, so that the last step is one
    atomic rename: whoever looks sees the old file or the whole new one. What
    killed processes left there of earlier tries at `path` is removed.

    Args:
        path: Destination.
        suffix: Ending that `path` must have, such as ".tflite".
        overwrite: Whether an existing file may be replaced.

    Raises:
        ValueError: If `path` does not end in `suffix`.
        DiskFullError: If there is no room for it; the old file stays.
        FileExistsError: If `path` exists and `overwrite` is `False`, or is a
            folder; also if it has come into being meanwhile.
        FileNotFoundError: If the folder of `path` does not exist.
        PermissionError: If the folder of `path` cannot be written.
    """
    path = check_destination(path, suffix, overwrite)
    folder = path.parent
    try:
        _remove_leftovers(folder, re.escape(path.name))
        staging = tempfile.TemporaryDirectory(
            dir=folder,
            prefix=f".{path.name}-{os.getpid()}-",
            ignore_cleanup_errors=True,
        )
        lock = FileLock(pathlib.Path(staging.name, _LOCK))
    except OSError as error:
        if error.errno in _FULL:
            raise _disk_full(path) from error
        raise PermissionError(
            f"The folder '{folder}' cannot be written ({error.strerror}). "
            f"Choose another one. Received: path={str(path)!r}"
        ) from error
    with staging as name:
        try:
            temporary = pathlib.Path(name) / path.name
            yield temporary
            _put_into_place(temporary, path, overwrite)
        except Exception as error:
            if _is_disk_full(error):
                raise _disk_full(path) from error
            raise
        finally:
            lock.release()


def check_destination(path, suffix, overwrite=False):
    """Refuses a path that a file cannot be written to, before the work.

    Args:
        path: Destination.
        suffix: Ending that `path` must have, such as ".tflite".
        overwrite: Whether an existing file may be replaced.

    Returns:
        The destination as a `pathlib.Path`.

    Raises:
        ValueError: If `path` does not end in `suffix`.
        FileExistsError: If `path` exists and `overwrite` is `False`, or is a
            folder.
        FileNotFoundError: If the folder of `path` does not exist.
    """
    path = checked_path("path", path)
    if path.suffix != suffix:
        raise ValueError(
            f"The file name must end in '{suffix}'. "
            f"Received: path={str(path)!r}"
        )
    if path.is_dir():
        raise FileExistsError(
            "There is a folder of that name. Choose a file name. "
            f"Received: path={str(path)!r}"
        )
    if path.exists() and not overwrite:
        raise FileExistsError(
            "The file exists already. Pass `overwrite=True` (--overwrite) to "
            "replace it, "
            f"or choose another name. Received: path={str(path)!r}"
        )
    folder = path.parent
    if not folder.is_dir():
        raise FileNotFoundError(
            f"The folder '{folder}' does not exist. Create it first. "
            f"Received: path={str(path)!r}"
        )
    return path


def make_folder(path):
    """Makes a folder to write to, with those that it lies in.

    Args:
        path: The folder; it may exist.

    Returns:
        The folder as a `pathlib.Path`.

    Raises:
        FileExistsError: If there is a file of that name.
        PermissionError: If it cannot be made.
    """
    path = checked_path("output", path)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise FileExistsError(
            "The output is a folder, and there is a file of that name. Choose "
            f"another name. Received: output={str(path)!r}"
        ) from error
    except OSError as error:
        raise PermissionError(
            f"The output folder cannot be made ({error.strerror}). Choose "
            f"another output. Received: output={str(path)!r}"
        ) from error
    return path


def remove_leftovers(folder):
    """Removes what killed processes left of any file in a folder.

    A process that still writes holds a lock, so that its staging folder is
    left alone, whatever machine it runs on.

    Args:
        folder: The folder; nothing below it is looked at.
    """
    _remove_leftovers(pathlib.Path(folder), ".+")


def is_leftover(path):
    """Whether a path has the name of a staging folder."""
    return _STAGING.fullmatch(pathlib.Path(path).name) is not None


# Of the file, of the process, and what makes the name unique. Earlier ones
# had the machine's name, too.
_STAGING = re.compile(r"\..+-\d+-\w{8}")


def _remove_leftovers(folder, name):
    pattern = re.compile(rf"\.{name}-(.+-)?\d+-\w{{8}}")
    for entry in folder.iterdir():
        if pattern.fullmatch(entry.name) and _is_abandoned(entry):
            shutil.rmtree(entry, ignore_errors=True)


def _is_abandoned(staging):
    lock = staging / _LOCK
    if lock.exists():
        return not is_locked(lock)
    # Just made, or just about to go: only its age tells.
    try:
        return time.time() - staging.stat().st_mtime > _DAY
    except FileNotFoundError:
        return False


def _put_into_place(temporary, path, overwrite):
    if overwrite:
        os.replace(temporary, path)
        return
    # A rename would replace what another process has written meanwhile.
    try:
        os.link(temporary, path)
    except FileExistsError as error:
        raise FileExistsError(
            "Another process has written the file meanwhile; it is left as it "
            "is. Choose another name, or pass `overwrite=True`. "
            f"Received: path={str(path)!r}"
        ) from error
    except OSError:
        # A file system without hard links.
        os.replace(temporary, path)


def _is_disk_full(error):
    while error is not None:
        if isinstance(error, OSError) and (
            error.errno in _FULL or "No space left on device" in str(error)
        ):
            return True
        error = error.__cause__ or error.__context__
    return False


def _disk_full(path):
    error = DiskFullError(
        f"There is no room to write '{path}'. What was there before is as it "
        "was. Free some space, and run the same command again (a run goes on "
        f"with --resume). Received: path={str(path)!r}"
    )
    error.errno = errno.ENOSPC
    return error
