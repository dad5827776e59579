"""Verbs that list what there is: presets, methods, schemes."""

import itertools
import json
from typing import Annotated

import typer

from kerastl_command_line.support import Debug
from kerastl_command_line.support import Json
from kerastl_command_line.support import open_console
from kerastl_command_line.support import report_errors
from kerastl_command_line.support import show_list


def presets(as_json: Json = False, debug: Debug = False):
    """List the networks that can be fine-tuned."""
    with report_errors(debug), open_console(as_json) as console:
        from kerastl_command_line.listings import list_presets

        show_list(console, list_presets(), as_json)


_VERDICTS = {
    "yes": "Measured better than fine_tune with few photos",
    "no": "Measured worse than fine_tune with few photos",
}
_NOTE = "\nkerastl methods NAME tells the rest; NAME+NAME joins several."


def methods(
    name: Annotated[
        str | None,
        typer.Argument(metavar="NAME", help="A method, to tell all of it."),
    ] = None,
    as_json: Json = False,
    debug: Debug = False,
):
    """List the transfer methods, or tell what there is to know of one.

    kerastl methods ktft
    kerastl methods delta+rifle --json
    """
    with report_errors(debug), open_console(as_json) as console:
        from kerastl_command_line.listings import describe_method
        from kerastl_command_line.listings import list_methods

        found = list_methods() if name is None else describe_method(name)
        if as_json:
            typer.echo(json.dumps(found, indent=2))
        elif name is None:
            _show_all(console, found)
        else:
            _show_one(console, found)


def _show_all(console, rows):
    width = max(len(row["method"]) for row in rows)
    for purpose, group in itertools.groupby(rows, lambda row: row["purpose"]):
        console.print(f"\n{purpose}", style="bold", highlight=False)
        for row in group:
            line = f"  {row['method']:<{width}}  {row['what it does']}"
            console.print(line, highlight=False)
    for word, text in _VERDICTS.items():
        names = [row["method"] for row in rows if row["helps"] == word]
        if names:
            console.print(f"\n{text}: {', '.join(names)}.", highlight=False)
    console.print(_NOTE, highlight=False)


def _show_one(console, found):
    from kerastl.export.utils.text_tables import format_rows

    console.print(found.pop("title"), style="bold", highlight=False)
    console.print(format_rows(found.items()), highlight=False)


def schemes(as_json: Json = False, debug: Debug = False):
    """List the export formats and quantization schemes."""
    with report_errors(debug), open_console(as_json) as console:
        from kerastl_command_line.listings import list_schemes

        show_list(console, list_schemes(), as_json)
