"""The committed table of results: a row a run, appended as runs end."""

import csv
import dataclasses
import io
import os
import pathlib

from grid import FIELDS
from grid import Cell

from kerastl.export.utils.atomic_write import staged_file

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
# Rows of before a setting came were trained as its default says.
_DEFAULTS = {
    field.name: field.default
    for field in dataclasses.fields(Cell)
    if field.default is not dataclasses.MISSING
}


class Results:
    """Rows in a CSV file that only grows.

    A row is written whole with one call and reaches the disk before the next
    cell is counted as done. A last line that a kill has cut is left out when
    reading, and taken off before the next row is appended. A file of before a
    setting came is read with its default, and gets the column with the first
    row that is appended.

    Args:
        path: Path of the CSV file; made with its header if it is missing.

    Attributes:
        rows: The rows as dicts, numbers as numbers.
    """

    def __init__(self, path):
        self.path = pathlib.Path(path)
        self.rows = []
        self._whole = 0
        self._is_old = False
        if self.path.exists():
            self._read()

    def __contains__(self, cell):
        return cell in {cell_of(row) for row in self.rows}

    def append(self, row):
        """Writes one row behind the others."""
        if self._is_old:
            self._rewrite()
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
        names = tuple(reader.fieldnames or COLUMNS)
        missing = {*COLUMNS} - {*names}
        self._is_old = bool(missing)
        if names != tuple(name for name in COLUMNS if name in names) or (
            missing - {*_DEFAULTS}
        ):
            raise ValueError(
                "The file has other columns than a table of results. "
                f"Expected {', '.join(COLUMNS)}. Received: "
                f"{str(self.path)!r} with {', '.join(names)}"
            )
        self.rows = [
            {
                **{name: _DEFAULTS[name] for name in missing},
                **{name: _number(value) for name, value in row.items()},
            }
            for row in reader
        ]

    def _rewrite(self):
        """Gives an old file all columns, whole or not at all."""
        data = self.path.read_bytes()[: self._whole].decode()
        text = io.StringIO()
        writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
        writer.writeheader()
        for row in csv.DictReader(io.StringIO(data)):
            writer.writerow({**_DEFAULTS, **row})
        made = text.getvalue().encode()
        with staged_file(self.path, ".csv", overwrite=True) as temporary:
            temporary.write_bytes(made)
        self._whole, self._is_old = len(made), False


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
