"""Imports lead downward: what stands below knows nothing of what is above."""

import ast
import pathlib

ROOT = pathlib.Path(__file__).parents[1]
# Of `kerastl`, from the ground up; those of one floor do not know each other.
FLOORS = (
    (
        "arguments",
        "has_accelerator",
        "logistic_fit",
        "types",
        "version",
        "takes_keras",
    ),
    ("data", "schedules", "layers"),
    ("surgery",),
    ("training",),
    ("losses", "regularizers", "metrics", "optimizers"),
    ("callbacks",),
)
# Of `export`. What stands in none of its folders is what users call.
EXPORT_FLOORS = (
    ("keras_files",),
    ("utils",),
    ("targets",),
    ("runners",),
    ("quantization",),
    ("refinement",),
    ("conversion", "package"),
    ("diagnosis",),
)


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


def upward_imports(tree, floors, skipped=0):
    """The imports that lead to the same floor or up, and how many there are.

    Args:
        tree: "kerastl" or "export".
        floors: From the ground up. What is in none is above all of them.
        skipped: How many parts of a module's name come before the floor's.
    """
    heights = {
        name: height for height, row in enumerate(floors) for name in row
    }
    roof = len(floors)
    upward, seen = [], 0
    for path in files(tree):
        place = path.relative_to(ROOT / tree).with_suffix("").parts[0]
        height = heights.get(place, roof)
        for _, *inner in imported(path):
            inner, outer = inner[skipped:], inner[:skipped]
            if outer != [tree][:skipped]:
                continue
            target = inner[0] if inner else ""
            seen += 1
            above = heights.get(target, roof) >= height
            if height < roof and target != place and above:
                upward.append((str(path.relative_to(ROOT)), ".".join(inner)))
    return upward, seen


def test_no_floor_of_kerastl_imports_one_above():
    upward, seen = upward_imports("kerastl", FLOORS)
    assert seen > 500
    assert upward == []


def test_no_folder_of_the_exporters_imports_one_above():
    upward, seen = upward_imports("export", EXPORT_FLOORS, skipped=1)
    assert seen > 150
    assert upward == []
    folders = {path.parent.name for path in files("export")} - {"export"}
    assert folders == {name for row in EXPORT_FLOORS for name in row}


def test_methods_know_no_exporter_and_exporters_no_application():
    for folder, forbidden in (
        ("kerastl", {"export", "apps"}),
        ("export", {"apps"}),
    ):
        for path in files(folder):
            known = {inner[0] for _, *inner in imported(path) if inner}
            assert not known & forbidden, path
