"""Whether class names can be written, read and told apart."""

import unicodedata

from kerastl.apps.data.literal import is_unprintable


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
