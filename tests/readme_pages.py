"""The README's pages, their tables, and the results that they tell of."""

import json
import pathlib

ROOT = pathlib.Path(__file__).parents[1]
#: The start, and the rooms' own.
PAGES = {
    name: (ROOT / name / "README.md").read_text()
    for name in ("", "kerastl", "apps", "export", "tests", "tests/benchmarks")
}
README = "\n".join(PAGES.values())


def rows(first_cell):
    """The cells of the table whose header begins with a cell."""
    lines = README.splitlines()
    start = next(
        number
        for number, line in enumerate(lines)
        if line.startswith(f"| {first_cell} |")
    )
    table = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            return table
        table.append([cell.strip() for cell in line.strip("|").split("|")])
    return table


def results(name):
    return json.loads((ROOT / "tests/benchmarks" / name).read_text())
