"""A lock on a file that ends with the process that holds it."""

import contextlib
import errno
import os
import pathlib

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]
    import msvcrt

_TAKEN = (errno.EACCES, errno.EAGAIN, errno.EDEADLK)
_TRIES = 10


class LockedError(OSError):
    """Another process holds the lock."""


class FileLock:
    """Holds a lock file, from making the object to `release`.

    The system gives the lock back when the process ends, however it ends:
    what a killed process leaves is a file, but no lock. Where the file system
    has no locks, the file is made and nothing is held.

    Args:
        path: The lock file; it is made, and removed by `release`.

    Raises:
        LockedError: If another process, or another object of this one, holds
            it.
        OSError: If the file cannot be made.

    Example:

    ```python
    with FileLock("run/.lock"):
        ...
    ```
    """

    def __init__(self, path):
        self.path = pathlib.Path(path)
        for _ in range(_TRIES):
            self._handle = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o644)
            try:
                _lock(self._handle)
            except OSError as error:
                os.close(self._handle)
                if error.errno in _TAKEN:
                    raise LockedError(
                        f"Another process holds the lock {str(self.path)!r}"
                    ) from error
                raise
            # Who held it may have removed the file before it was locked here.
            if self._is_there():
                return
            os.close(self._handle)
        raise LockedError(f"The lock {str(self.path)!r} changes all the time")

    def release(self):
        """Removes the file and gives the lock back."""
        if self._handle is None:
            return
        handle, self._handle = self._handle, None
        if fcntl is not None:
            # While it is held, so that it is nobody else's.
            self.path.unlink(missing_ok=True)
        os.close(handle)
        if fcntl is None:
            with contextlib.suppress(OSError):
                self.path.unlink(missing_ok=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.release()

    def _is_there(self):
        try:
            return os.path.samestat(os.fstat(self._handle), os.stat(self.path))
        except FileNotFoundError:
            return False


def is_locked(path):
    """Whether a process holds the lock file; its remains do not count.

    Args:
        path: The lock file; it is left as it is.
    """
    try:
        handle = os.open(path, os.O_RDWR)
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return False
    try:
        _lock(handle)
    except OSError as error:
        return error.errno in _TAKEN
    finally:
        os.close(handle)
    return False


def _lock(handle):
    try:
        if fcntl is None:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _TAKEN:
            raise
        # A file system without locks.
