"""The verb `kerastl predict`."""

import pathlib
from typing import Annotated

import typer

from kerastl_command_line.support import Debug
from kerastl_command_line.support import Json
from kerastl_command_line.support import open_console
from kerastl_command_line.support import report_errors
from kerastl_command_line.support import show


def predict(
    model: Annotated[
        pathlib.Path, typer.Argument(help="A .keras, .tflite or .onnx file.")
    ],
    images: Annotated[list[pathlib.Path], typer.Argument(help="Image files.")],
    top: Annotated[
        int, typer.Option(metavar="N", min=1, help="Classes to name.")
    ] = 3,
    as_json: Json = False,
    debug: Debug = False,
):
    """Say what is on a photo, with any kind of model file.

    Images are decoded as in training. Class names are in the file, or in a
    labels.txt beside it.

        kerastl predict runs/mine/model_int8.tflite photo.jpg
        kerastl predict runs/mine/model.keras *.jpg --json
    """
    with report_errors(debug), open_console(as_json, model) as console:
        from kerastl.apps.predict import predict

        show(predict(model, images, top=top), console, as_json)
