"""Imports lead downward: what stands below knows nothing of what is above."""

import ast
import pathlib

ROOT = pathlib.Path(__file__).parents[1]
# Of `kerastl`, from the ground up; those of one floor do not know each other.
FLOORS = (
    ("arguments", "types", "version", "takes_keras"),
    ("data", "schedules", "layers"),
    ("surgery",),
    ("training",),
    ("losses", "regularizers", "metrics", "optimizers"),
    ("callbacks",),
)
HEIGHTS = {name: height for height, row in enumerate(FLOORS) for name in row}
ROOF = len(FLOORS)


def imported(path):
    """The modules of kerastl that a file imports, wherever in it."""
    tree = ast.parse(path.read_text())
    nodes = list(ast.walk(tree))
    # Type checkers alone go round in circles.
    skipped = {
        each
        for node in nodes
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        for each in node.body
    }
    return [
        node.module.split(".")
        for node in nodes
        if isinstance(node, ast.ImportFrom)
        and node not in skipped
        and node.module.split(".")[0] == "kerastl"
    ]


def files(folder):
    return sorted((ROOT / folder).rglob("*.py"))


def test_no_floor_of_kerastl_imports_one_above():
    upward, seen = [], 0
    for path in files("kerastl"):
        place = path.relative_to(ROOT / "kerastl").with_suffix("").parts[0]
        height = HEIGHTS.get(place, ROOF)
        for _, *inner in imported(path):
            target = inner[0] if inner else ""
            seen += 1
            above = HEIGHTS.get(target, ROOF) >= height
            if height < ROOF and target != place and above:
                upward.append((str(path.relative_to(ROOT)), ".".join(inner)))
    assert seen > 500
    assert upward == []


def test_methods_know_no_exporter_and_exporters_no_application():
    for folder, forbidden in (
        ("kerastl", {"export", "apps"}),
        ("export", {"apps"}),
    ):
        for path in files(folder):
            known = {inner[0] for _, *inner in imported(path) if inner}
            assert not known & forbidden, path
