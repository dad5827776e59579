"""Says which files of a folder were not used, and why."""

import collections
import os
import warnings

from kerastl.apps.data.literal import literal

_EXAMPLES = 3


def group_left_out(left_out):
    """Counts files by the reason why they are not used.

    Args:
        left_out: Pairs of file name and reason.

    Returns:
        A list of dicts of `reason`, `count` and `examples`, some file names,
        the most frequent reason first.
    """
    groups = collections.defaultdict(list)
    for file, reason in left_out:
        groups[reason].append(literal(file))
    return [
        {
            "reason": reason,
            "count": len(files),
            "examples": files[:_EXAMPLES],
        }
        for reason, files in sorted(
            groups.items(), key=lambda item: (-len(item[1]), item[0])
        )
    ]


def describe_left_out(left_out):
    """Returns a line a reason.

    >>> describe_left_out([("a.txt", "no image by its name (.txt)")])
    ['1 left out: no image by its name (.txt): a.txt']
    """
    return describe_groups(group_left_out(left_out))


def describe_groups(groups):
    """Returns a line a reason; see `group_left_out`."""
    return [
        f"{group['count']} left out: {group['reason']}: "
        f"{', '.join(group['examples'])}"
        f"{', ...' if group['count'] > len(group['examples']) else ''}"
        for group in groups
    ]


def relative_names(left_out, root):
    """Returns `LeftOut`s as pairs of name below `root` and reason."""
    return [
        (literal(os.path.relpath(each.file, root)), each.reason)
        for each in left_out
    ]


def warn_left_out(path, skipped, stacklevel=3):
    """Warns of images that are not used, if there are any.

    Args:
        path: The folder.
        skipped: Pairs of file name and reason.
        stacklevel: As in `warnings.warn`.
    """
    if skipped:
        reasons = "; ".join(describe_left_out(skipped))
        warnings.warn(
            f"Images of {literal(path)!r} are not used: {reasons}",
            stacklevel=stacklevel,
        )
