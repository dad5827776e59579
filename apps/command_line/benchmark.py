"""The verb `kerastl benchmark`."""

import pathlib
from typing import Annotated

import typer

from kerastl_command_line.support import Debug
from kerastl_command_line.support import Json
from kerastl_command_line.support import open_console
from kerastl_command_line.support import report_errors
from kerastl_command_line.support import show


def benchmark(
    files: Annotated[
        list[pathlib.Path],
        typer.Argument(help=".keras, .tflite and .onnx files."),
    ],
    threads: Annotated[
        list[int] | None,
        typer.Option(
            metavar="N",
            min=1,
            help="CPU threads; may be given twice. Default: 1 and all.",
        ),
    ] = None,
    seconds: Annotated[
        float,
        typer.Option(
            metavar="S", min=0.0, help="Time a file and number of threads."
        ),
    ] = 1.0,
    as_json: Json = False,
    debug: Debug = False,
):
    """Time model files side by side on this machine.

    Latency of one image, warm, with one thread and with all; loading time
    and memory in a process of its own; size and multiply-adds.

        kerastl benchmark runs/mine/model_int8.tflite runs/mine/model.keras
    """
    with report_errors(debug), open_console(as_json) as console:
        from kerastl import apps

        result = apps.benchmark(files, threads=threads, seconds=seconds)
        show(result, console, as_json)
