"""The verb `kerastl quickstart`."""

import pathlib
from typing import Annotated

import typer

from kerastl_command_line.support import Debug
from kerastl_command_line.support import Json
from kerastl_command_line.support import open_console
from kerastl_command_line.support import report_errors
from kerastl_command_line.support import show


def quickstart(
    output: Annotated[
        pathlib.Path, typer.Option(help="Folder to write; it must be new.")
    ] = pathlib.Path("runs/quickstart"),
    seeds: Annotated[
        int,
        typer.Option(
            metavar="N", min=1, help="How often each method is trained."
        ),
    ] = 3,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue a stopped quickstart.")
    ] = False,
    as_json: Json = False,
    debug: Debug = False,
):
    """Everything once, offline, on bundled digits, in minutes.

    A small CNN learns the digits 0 to 4 and is moved to the digits 5 to 9
    with 25 images a class, by plain fine-tuning, by plain fine-tuning of its
    anti-aliased copy, and by KTFT. The best is exported to int8 TFLite and
    ONNX, run, compared and reported.

        kerastl quickstart
        kerastl quickstart --output runs/first --seeds 5
    """
    with (
        report_errors(debug, resumes=True),
        open_console(as_json) as console,
    ):
        from kerastl import apps

        result = apps.quickstart(
            output=output, seeds=seeds, resume=resume, console=console
        )
        show(result, console, as_json)
