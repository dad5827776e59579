"""Writes kerastl/README.md's table of methods: `python -m tests.method_table`.

It says what the recipes say, and links to the files that the methods are in.
"""

import importlib
import inspect
import pathlib
import re

from kerastl.apps import RECIPES

ROOT = pathlib.Path(__file__).parents[1]
PAGE = ROOT / "kerastl" / "README.md"
_HEADS = ("method", "what it adds to fine-tuning", "paper", "where") + (
    "step",
    "formula",
)


def method_table():
    """The table as Markdown, the methods in the order of `apps.RECIPES`."""
    lines = [_cells(_HEADS), "|---" * len(_HEADS) + "|"]
    for name, recipe in RECIPES.items():
        files = dict.fromkeys(_file(place) for place in recipe.where)
        lines.append(
            _cells(
                (
                    f"`{name}`",
                    recipe.summary,
                    recipe.paper,
                    ", ".join(
                        f"[{file.rpartition('/')[2]}]({file})" for file in files
                    ),
                    "" if recipe.cost is None else f"{recipe.cost:.2f}",
                    recipe.exact,
                )
            )
        )
    return "\n".join(lines)


def _file(place):
    """The file of a public name, from kerastl/README.md on."""
    module, _, name = place.rpartition(".")
    value = getattr(importlib.import_module(f"kerastl.{module}"), name)
    file = pathlib.Path(inspect.getsourcefile(value))
    return file.relative_to(PAGE.parent).as_posix()


def _cells(cells):
    return " | ".join(("", *cells, "")).strip()


if __name__ == "__main__":
    page = PAGE.read_text(encoding="utf-8")
    written = re.sub(
        r"^\| method \|.*?(?=\n\n)",
        lambda _: method_table(),
        page,
        count=1,
        flags=re.DOTALL | re.MULTILINE,
    )
    PAGE.write_text(written, encoding="utf-8")
    print(f"Written: the table of {PAGE.name}")
