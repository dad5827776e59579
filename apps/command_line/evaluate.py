"""The verb `kerastl evaluate`."""

import pathlib
from typing import Annotated

import typer

from kerastl_command_line.support import Debug
from kerastl_command_line.support import Json
from kerastl_command_line.support import Threads
from kerastl_command_line.support import open_console
from kerastl_command_line.support import report_errors
from kerastl_command_line.support import show


def evaluate(
    model: Annotated[
        pathlib.Path, typer.Argument(help="A .keras, .tflite or .onnx file.")
    ],
    photos: Annotated[
        pathlib.Path, typer.Argument(help="Folder with a folder a class.")
    ],
    threads: Threads = 1,
    as_json: Json = False,
    debug: Debug = False,
):
    """Measure a model file on photos: accuracy, per class, latency.

    Where a labels.txt lies beside the file, folders are matched with its
    names; otherwise they count in alphabetical order. If the folder has a
    test part, that is used; else all images are.

        kerastl evaluate runs/mine/model_int8.tflite photos/
    """
    with report_errors(debug), open_console(as_json, model) as console:
        from kerastl.apps.evaluate_model import evaluate_model

        result = evaluate_model(model, photos, threads=threads)
        show(result, console, as_json)
