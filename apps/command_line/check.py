"""The verb `kerastl check`."""

import pathlib
from typing import Annotated

import typer

from kerastl_command_line.support import EXIT_CHECK_FAILED
from kerastl_command_line.support import Debug
from kerastl_command_line.support import Json
from kerastl_command_line.support import open_console
from kerastl_command_line.support import report_errors
from kerastl_command_line.support import show


def check(
    file: Annotated[pathlib.Path, typer.Argument(help="A .tflite file.")],
    target: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="xnnpack (phones, Raspberry Pi, PCs), tflite-micro "
            "(microcontrollers) or full-int8 (Edge TPU and the like).",
        ),
    ] = "xnnpack",
    as_json: Json = False,
    debug: Debug = False,
):
    """Check whether a device can run a file, and what it needs there.

    Operators without a kernel, delegate partitions, dynamic sizes, memory,
    multiply-adds, flash. Exit code 1: the device cannot run it, or not well.

        kerastl check model_int8.tflite --target tflite-micro
    """
    with report_errors(debug), open_console(as_json, file) as console:
        from kerastl.export.targets.check import check

        report = check(file, target)
        show(report, console, as_json)
        if not report.passed:
            raise typer.Exit(EXIT_CHECK_FAILED)
