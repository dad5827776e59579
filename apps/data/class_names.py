"""The names of classes: checked, written beside a model, and read."""

import codecs
import pathlib
import unicodedata

from kerastl.apps.texts import is_unprintable
from kerastl.export.package.metadata import read_metadata


def check_class_names(names, argument="class_names"):
    """Checks class names before any work is done for them.

    They go into `labels.txt`, one a line, into the exported files, tables and
    pages, and have to come back as they were. Markup, HTML, commas, quotes
    and any script are fine.

    Args:
        names: The names.
        argument: What the error calls them.

    Returns:
        The names as a list of strings, in Unicode's composed form (NFC).

    Raises:
        ValueError: If one is empty, begins or ends with white space, has a
            line break, a control character, bytes that are no UTF-8 or an
            invisible character that turns the direction of writing, or if two
            are the same.
    """
    names = [unicodedata.normalize("NFC", str(name)) for name in names]
    for name in names:
        reason = _why_not(name)
        if reason:
            raise ValueError(
                f"A class name {reason}. It goes into labels.txt, tables and "
                "the exported files, and must come back as it was: rename the "
                f"class. Received: {argument}={name!a}"
            )
    seen = set()
    for name in names:
        if name in seen:
            raise ValueError(
                "Two classes have the same name. Rename one of them. "
                f"Received: {argument}={name!r} twice"
            )
        seen.add(name)
    return names


# More than that says no more.
_NAMED = 5


def name_some(names, others) -> str:
    """Class names for an error that says that others were expected.

    Of many, those that the others have not come first: the first few may be
    the same.

    >>> name_some(list("abcdef"), list("abcde"))
    'f, a, b, c, d and 1 more'
    """
    left = len(names) - _NAMED
    if left <= 0:
        return ", ".join(names)
    shown = sorted(names, key=lambda name: name in others)[:_NAMED]
    return f"{', '.join(shown)} and {left} more"


def differ_in_case(names):
    """Returns the groups of names that differ in upper and lower case only."""
    groups = {}
    for name in names:
        groups.setdefault(name.casefold(), []).append(name)
    return [group for group in groups.values() if len(group) > 1]


def _why_not(name):
    if not name.strip():
        return "is empty"
    if name != name.strip():
        return "begins or ends with white space"
    for character in name:
        if "\ud800" <= character <= "\udfff":
            return "has bytes that are not UTF-8"
        if is_unprintable(character):
            return f"has the unprintable character {character!a}"
    return None


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


def read_class_names(model_path, num_classes):
    """Returns the class names of a model file, `None` if nothing names them.

    They are in the metadata of the file, or in a `labels.txt` beside it.

    Args:
        model_path: The .keras, .tflite or .onnx file.
        num_classes: Number of its outputs; one output is a yes or no, and
            has two names.

    Raises:
        ValueError: If their number is not that of the outputs.
    """
    metadata = read_metadata(model_path)
    if metadata is not None:
        return metadata.class_names
    path = pathlib.Path(model_path).with_name("labels.txt")
    if not path.is_file():
        return None
    names = read_labels(path)
    if len(names) not in (num_classes, max(num_classes, 2)):
        raise ValueError(
            "The labels.txt beside the model is not its own: it has "
            f"{len(names)} names, the model {num_classes} outputs. "
            f"Received: model={str(model_path)!r}"
        )
    return names
