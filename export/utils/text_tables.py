"""Figures with their units, and rows of text in columns."""

import textwrap

_LABEL_WIDTH = 15
_WIDTH = 80


def format_rows(rows):
    """Returns labels and texts as lines of at most 80 columns.

    Args:
        rows: Pairs of a short label and a text.

    >>> print(format_rows([("file", "model.tflite")]))
    file           model.tflite
    """
    return "\n".join(
        textwrap.fill(
            f"{label:<{_LABEL_WIDTH}}{text}",
            _WIDTH,
            subsequent_indent=" " * _LABEL_WIDTH,
            break_on_hyphens=False,
        )
        for label, text in rows
    )


_KILOBYTE = 1000
_MEGABYTE = 1000**2


def format_size(size) -> str:
    """Writes a number of bytes: 1 kB is 1000 bytes, 1 MB a million."""
    # What would round to 1000 kB is a megabyte.
    if size < _MEGABYTE - _KILOBYTE / 2:
        return f"{size / _KILOBYTE:.0f} kB"
    return f"{size / _MEGABYTE:.1f} MB"


def format_change(drop, digits=1) -> str:
    """Writes a change of accuracy in points: "-0.3" lost, "+0.1" gained.

    Args:
        drop: What was lost, as a fraction; negative is a gain.
        digits: Digits behind the point.
    """
    points = round(-100 * drop, digits)
    return f"{points:+.{digits}f}" if points else f"{0:.{digits}f}"


def describe_change(drop, digits=1) -> str:
    """Says a change of accuracy in words: "0.3 points lost".

    Args:
        drop: What was lost, as a fraction; negative is a gain.
        digits: Digits behind the point.
    """
    points = round(100 * drop, digits)
    what = "gained" if points < 0 else "lost"
    return f"{abs(points):.{digits}f} points {what}"
