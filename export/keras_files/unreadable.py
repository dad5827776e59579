"""Why a file cannot be read, as its first bytes tell."""

import pathlib

_LFS_POINTER = b"version https://git-lfs"
_TFLITE = b"TFL3"
_KERAS = (b"PK\x03\x04", b"\x89HDF")
_MODELS = (".keras", ".tflite", ".onnx")
# Enough to tell text from numbers.
_SAMPLE = 512


def check_is_file(path, argument="path", endings=_MODELS):
    """Refuses what is no file.

    Args:
        path: A `pathlib.Path`.
        argument: Name of the argument, for the error.
        endings: Those of files that are named where it is a folder of them.

    Raises:
        FileNotFoundError: If there is nothing.
        ValueError: If it is a folder.
    """
    if path.is_dir():
        models = sorted(
            str(each) for each in path.iterdir() if each.suffix in endings
        )
        if models:
            raise ValueError(
                f"'{path}' is a folder. Name a file in it: "
                f"{', '.join(models[:8])}. Received: {argument}={str(path)!r}"
            )
        if (path / "saved_model.pb").is_file():
            raise ValueError(
                f"'{path}' is the folder of a SavedModel, whose graph Keras 3 "
                "does not load. Expected a file. Load it where it was written "
                'and save it with `model.save("model.keras")`. '
                f"Received: {argument}={str(path)!r}"
            )
        raise ValueError(
            f"'{path}' is a folder, and no file in it ends in "
            f"{' or '.join(endings)}. Expected a file. "
            f"Received: {argument}={str(path)!r}"
        )
    if not path.is_file():
        raise FileNotFoundError(
            f"There is no file '{path}'. Received: {argument}={str(path)!r}"
        )


def check_is_binary(path, format):
    """Refuses files that never held a model.

    Args:
        path: A `pathlib.Path` of a file.
        format: What it should be, such as "onnx".

    Raises:
        ValueError: If it is empty, a pointer of Git LFS, or text.
    """
    with open(path, "rb") as file:
        start = file.read(_SAMPLE)
    if not start:
        raise unreadable(
            path,
            format,
            "it is empty (0 bytes). Copying or downloading it did not get "
            "far; do that again",
        )
    if start.startswith(_LFS_POINTER):
        raise unreadable(
            path,
            format,
            "it is a pointer of Git LFS, not the file itself. Fetch the file "
            "with `git lfs pull`",
        )
    found = _other_format(path, start)
    if found is not None and found not in format.lower():
        raise unreadable(
            path,
            format,
            f"it is a file of {found}. Name the one of {format} that belongs "
            "to it",
        )
    if _is_text(start):
        first = start.decode("utf8", "ignore").strip().splitlines() or [""]
        raise unreadable(
            path,
            format,
            f"it is text, and begins with {first[0][:60]!r}. Name the model "
            "file itself; where it was downloaded, a web page may have come "
            "in its place",
        )


def unreadable(path, format, reason):
    """A `ValueError` that says why a file cannot be read, and what to do."""
    return ValueError(
        f"The file '{path}' cannot be read as {format}: {reason}. "
        f"Received: path={str(pathlib.Path(path))!r}"
    )


def corrupt(path, format, error):
    """The error of a file that is damaged."""
    text = str(error).strip()[:500]
    reason = f"{text}. It is" if text else "it is"
    return unreadable(
        path,
        format,
        f"{reason} corrupt or incomplete; copy, download or export it again",
    )


def _other_format(path, start):
    """What a file seems to be, `None` where its first bytes do not tell."""
    if start[4:8] == _TFLITE:
        return "tflite"
    if start.startswith(_KERAS):
        return "keras"
    # Protocol buffers have no signature.
    return "onnx" if path.suffix == ".onnx" else None


def _is_text(start):
    # The sample may end inside a character.
    for end in range(len(start), max(len(start) - 4, 0), -1):
        try:
            text = start[:end].decode("utf8")
        except UnicodeDecodeError:
            continue
        return all(each.isprintable() or each.isspace() for each in text)
    return False
