"""Writes a file beside its destination and renames it into place."""

import contextlib
import os
import pathlib
import platform
import re
import shutil
import tempfile


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
        FileExistsError: If `path` exists and `overwrite` is `False`, or is a
            folder.
        FileNotFoundError: If the folder of `path` does not exist.
        PermissionError: If the folder of `path` cannot be written.
    """
    path = check_destination(path, suffix, overwrite)
    folder = path.parent
    # Processes of other machines may write to the folder, too.
    prefix = f".{path.name}-{platform.node()}-"
    try:
        _remove_leftovers(folder, prefix)
        staging = tempfile.TemporaryDirectory(
            dir=folder, prefix=f"{prefix}{os.getpid()}-"
        )
    except OSError as error:
        raise PermissionError(
            f"The folder '{folder}' cannot be written ({error.strerror}). "
            f"Choose another one. Received: path={str(path)!r}"
        ) from error
    with staging as name:
        temporary = pathlib.Path(name) / path.name
        yield temporary
        os.replace(temporary, path)


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
    path = pathlib.Path(path)
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
            "The file exists already. Pass `overwrite=True` to replace it, "
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
    path = pathlib.Path(path)
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


def _remove_leftovers(folder, prefix):
    for entry in folder.iterdir():
        found = re.fullmatch(rf"{re.escape(prefix)}(\d+)-\w+", entry.name)
        if found and not _is_running(int(found[1])):
            shutil.rmtree(entry, ignore_errors=True)


def _is_running(process):
    if os.name != "posix":
        return True  # there, signal 0 would end it
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass  # it is another user's
    return True
