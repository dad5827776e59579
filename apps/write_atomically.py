"""Files that are either there, whole, or not there."""

import os
import pathlib


def write_atomically(path, content):
    """Writes a file beside its place and renames it into it.

    A reader, or a run that is killed, never meets half a file.

    Args:
        path: File to write; replaced if it exists. Missing folders are made.
        content: `str` (written as UTF-8), `bytes`, or a function that is
            given the temporary path and writes the file itself.

    Returns:
        The path as a `pathlib.Path`.
    """
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # The suffix stays last: Keras and NumPy choose the format by it.
    temporary = path.with_name(f".{path.stem}.part{path.suffix}")
    try:
        if callable(content):
            content(temporary)
        elif isinstance(content, bytes):
            temporary.write_bytes(content)
        else:
            temporary.write_text(content, encoding="utf-8")
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    return path
