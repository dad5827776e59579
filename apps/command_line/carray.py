"""The verb `kerastl carray`."""

import json
import pathlib
from typing import Annotated

import typer

from kerastl_command_line.support import Debug
from kerastl_command_line.support import Json
from kerastl_command_line.support import Overwrite
from kerastl_command_line.support import open_console
from kerastl_command_line.support import report_errors


def carray(
    file: Annotated[pathlib.Path, typer.Argument(help="A .tflite file.")],
    output: Annotated[
        pathlib.Path | None,
        typer.Option(
            metavar="FOLDER", help="Where to write. Default: beside the file."
        ),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Of the files and in them. Default: FILE's."
        ),
    ] = None,
    project: Annotated[
        bool,
        typer.Option(
            "--project", help="Make FOLDER a project of PlatformIO / ESP-IDF."
        ),
    ] = False,
    overwrite: Overwrite = False,
    as_json: Json = False,
    debug: Debug = False,
):
    """Write a file as C++ source for TensorFlow Lite Micro.

    NAME.cc holds the network as an aligned array, NAME.h its size, the arena
    that it needs, the operators to register, quantization and class names.
    NAME_example.cc is a sketch for a camera that prints the class; you read
    the camera. Where there is one it is left as it is. With --project FOLDER
    holds all that `pio run` or `idf.py build` needs for an ESP32.
    Exit code 1: TensorFlow Lite Micro has no kernel for an operator.

        kerastl carray model_int8.tflite --output firmware --project
    """
    with report_errors(debug), open_console(as_json, file) as console:
        if project and output is None:
            raise ValueError(
                "A project needs a folder of its own: --output FOLDER. "
                "Received: --project without --output"
            )
        if project and output is not None:
            from kerastl.export.package import write_esp_project

            written = write_esp_project(file, output, name, overwrite)
        else:
            from kerastl.export.package import write_c_array

            written = write_c_array(file, output, name, overwrite)
        paths = [str(path) for path in written]
        if as_json:
            typer.echo(json.dumps(paths))
        else:
            from kerastl.apps.texts import say

            say(console, "\n".join(paths), wrap=False)
