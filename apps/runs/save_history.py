"""Learning curves as files for people and for programs."""

import csv
import io
import math


def save_history(folder, history, name="history"):
    """Writes a history as `.json` and as `.csv` to a run's folder.

    The `.csv` is there while a training runs, too: see `save_table`.

    Args:
        folder: The `RunFolder`.
        history: Dict of column name to one value an epoch. What is NaN or
            infinite, as a metric of classes that do not occur may be, is
            `null` in the one file and empty in the other.
        name: Name of both files, without ending.
    """
    folder.write_json(f"{name}.json", _finite(history))
    save_table(folder, history, name)


def save_table(folder, history, name="history"):
    """Writes a history as `.csv`: a head of names, and a line an epoch.

    Args:
        folder, history, name: As in `save_history`.
    """
    history = _finite(history)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(history)
    writer.writerows(zip(*history.values(), strict=True))
    folder.write_text(f"{name}.csv", text.getvalue())


def _finite(history):
    return {
        name: [finite_or_none(value) for value in column]
        for name, column in history.items()
    }


def finite_or_none(value):
    """`value` as JSON can hold it: `None` where it is no finite number."""
    return value if value is not None and math.isfinite(value) else None
