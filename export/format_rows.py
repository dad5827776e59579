"""Labelled lines for a terminal, the one look of every report."""

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
