"""The verb `kerastl diagnose`."""

import pathlib
from typing import Annotated

import typer

from kerastl_command_line.support import Debug
from kerastl_command_line.support import Json
from kerastl_command_line.support import Overwrite
from kerastl_command_line.support import open_console
from kerastl_command_line.support import report_errors
from kerastl_command_line.support import show


def diagnose(
    model: Annotated[
        pathlib.Path,
        typer.Argument(help="The .keras model that FILE was written from."),
    ],
    file: Annotated[
        pathlib.Path, typer.Argument(help="A .tflite or .onnx file.")
    ],
    photos: Annotated[
        pathlib.Path, typer.Argument(help="Folder with a folder a class.")
    ],
    images: Annotated[
        int, typer.Option(metavar="N", min=1, help="Photos to run at most.")
    ] = 32,
    csv: Annotated[
        pathlib.Path | None,
        typer.Option(metavar="FILE", help="Write all layers to a .csv file."),
    ] = None,
    plot: Annotated[
        pathlib.Path | None,
        typer.Option(metavar="FILE", help="Draw all layers to a .svg file."),
    ] = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
    debug: Debug = False,
):
    """Show which layers of a network lose precision in a file.

    Every tensor in the file is compared with the Keras layer that it belongs
    to. The layers whose own error harms the output most come first.

        kerastl diagnose model.keras model_int8.tflite photos/
        kerastl diagnose model.keras model_int8.onnx photos/ --csv layers.csv
    """
    with report_errors(debug), open_console(as_json) as console:
        from kerastl import apps
        from kerastl.export.utils.atomic_write import check_destination

        for path, suffix in ((csv, ".csv"), (plot, ".svg")):
            if path is not None:
                check_destination(path, suffix, overwrite)
        diagnosis = apps.diagnose_file(model, file, photos, images)
        if csv is not None:
            diagnosis.to_csv(csv, overwrite)
        if plot is not None:
            apps.draw_diagnosis(diagnosis, plot, overwrite)
        show(diagnosis, console, as_json)
