"""The committed table of results: a row a run, appended as runs end."""

import csv
import io
import os
import pathlib

from grid import FIELDS
from grid import Cell

#: What a run found out, and what it ran with.
FOUND = (
    "validation",
    "test",
    "validation_images",
    "test_images",
    "validation_nll",
    "seconds",
    "threads",
    "status",
    "kerastl",
    "keras",
    "tensorflow",
    "numpy",
    "revision",
)
COLUMNS = (*FIELDS, *FOUND)


class Results:
    """Rows in a CSV file that only grows.

    A row is written whole with one call and reaches the disk before the next
    cell is counted as done. A last line that a kill has cut is left out when
    reading, and taken off before the next row is appended.

    Args:
        path: Path of the CSV file; made with its header if it is missing.

    Attributes:
        rows: The rows as dicts, numbers as numbers.
    """

    def __init__(self, path):
        self.path = pathlib.Path(path)
        self.rows = []
        self._whole = 0
        if self.path.exists():
            self._read()

    def __contains__(self, cell):
        return cell in {cell_of(row) for row in self.rows}

    def append(self, row):
        """Writes one row behind the others."""
        text = io.StringIO()
        writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
        if not self._whole:
            writer.writeheader()
        writer.writerow(row)
        data = text.getvalue().encode()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with open(self.path, "r+b" if self._whole else "wb") as file:
            file.truncate(self._whole)
            file.seek(self._whole)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        self._whole += len(data)
        self.rows.append(row)

    def _read(self):
        data = self.path.read_bytes()
        self._whole = data.rfind(b"\n") + 1
        text = data[: self._whole].decode()
        reader = csv.DictReader(io.StringIO(text))
        if text and tuple(reader.fieldnames) != COLUMNS:
            raise ValueError(
                "The file has other columns than a table of results. "
                f"Expected {', '.join(COLUMNS)}. Received: "
                f"{str(self.path)!r} with {', '.join(reader.fieldnames)}"
            )
        self.rows = [
            {name: _number(value) for name, value in row.items()}
            for row in reader
        ]


def cell_of(row) -> Cell:
    """The cell that a row is of."""
    return Cell(**{name: row[name] for name in FIELDS})


def _number(text):
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
