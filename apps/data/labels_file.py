"""Reads and writes `labels.txt`, one class name a line."""

import codecs
import pathlib
import unicodedata

_BYTE_ORDER_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


def read_labels(path):
    """Returns the class names of a `labels.txt`.

    Lines end in LF or CRLF; a byte order mark and empty lines at the end are
    no names. All else is part of a name.

    Args:
        path: The file.

    Raises:
        ValueError: If it is no text.
    """
    content = path.read_bytes()
    encoding = next(
        (
            name
            for mark, name in _BYTE_ORDER_MARKS.items()
            if content.startswith(mark)
        ),
        "utf-8",
    )
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        raise ValueError(
            f"The class names cannot be read: the file is not UTF-8 ({error}). "
            f"Save it as UTF-8. Received: labels={str(path)!r}"
        ) from error
    # Not `splitlines`, which ends a line at U+2028 and the like, too.
    names = [line.removesuffix("\r") for line in text.split("\n")]
    while names and not names[-1]:
        names.pop()
    return names


def labels_beside(weights, composed=False):
    """Returns the names in the `labels.txt` beside a file of weights.

    Args:
        weights: The file; a name or a model has none beside it.
        composed: Whether they are put in Unicode's composed form, as the
            names of folders are.

    Returns:
        List of names; `None` where nothing says them.
    """
    if not isinstance(weights, str | pathlib.Path):
        return None
    labels = pathlib.Path(weights).with_name("labels.txt")
    if not labels.is_file():
        return None
    names = read_labels(labels)
    if composed:
        names = [unicodedata.normalize("NFC", name) for name in names]
    return names


def labels_text(names):
    """Returns the text of a `labels.txt`."""
    return "".join(f"{name}\n" for name in names)
