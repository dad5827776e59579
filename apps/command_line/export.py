"""The verb `kerastl export`."""

import pathlib
from typing import Annotated

import typer

from kerastl_command_line.support import Debug
from kerastl_command_line.support import Gate
from kerastl_command_line.support import Json
from kerastl_command_line.support import Overwrite
from kerastl_command_line.support import Target
from kerastl_command_line.support import Threads
from kerastl_command_line.support import open_console
from kerastl_command_line.support import report_errors
from kerastl_command_line.support import show


def export(
    model: Annotated[pathlib.Path, typer.Argument(help="A .keras model.")],
    scheme: Annotated[
        str, typer.Option(help="kerastl schemes lists them.")
    ] = "int8",
    calibration: Annotated[
        pathlib.Path | None,
        typer.Option(
            help="Folder of photos, a folder a class. Its training part "
            "calibrates, its test part measures."
        ),
    ] = None,
    format: Annotated[
        str | None,
        typer.Option(help="tflite or onnx. Default: by --output, else tflite."),
    ] = None,
    output: Annotated[
        pathlib.Path | None,
        typer.Option(help="Default: MODEL_SCHEME beside the model."),
    ] = None,
    target: Target = None,
    keep_float: Annotated[
        str | None,
        typer.Option(
            metavar="auto|LAYERS",
            help="Keep layers of an int8 file in float: auto keeps the fewest "
            "that meet --max-accuracy-drop (0.01), or name them, by comma.",
        ),
    ] = None,
    refine: Annotated[
        str,
        typer.Option(
            metavar="auto|none|STEPS",
            help="What is done to the weights of a calibrated file: auto does "
            "all that brings it nearer to the model, or name some of pixels, "
            "equalisation, rounding and bias, by comma.",
        ),
    ] = "auto",
    overwrite: Overwrite = False,
    max_accuracy_drop: Gate = None,
    threads: Threads = 1,
    as_json: Json = False,
    debug: Debug = False,
):
    """Export a Keras model to TFLite or ONNX, run the file and compare.

    Exit code 1: the file lost more accuracy than allowed, or the target
    cannot run it; none is left.

        kerastl export model.keras --scheme float16
        kerastl export model.keras --scheme int8 --calibration photos/
        kerastl export model.keras --calibration photos/ --target full-int8
        kerastl export model.keras --calibration photos/ --scheme uint8_io
        kerastl export model.keras --format onnx --calibration photos/ \\
            --max-accuracy-drop 0.01
        kerastl export model.keras --calibration photos/ --keep-float auto
    """
    with report_errors(debug), open_console(as_json) as console:
        from kerastl import apps

        report = apps.export_model(
            model,
            scheme=scheme,
            photos=calibration,
            format=format,
            output=output,
            overwrite=overwrite,
            max_accuracy_drop=max_accuracy_drop,
            threads=threads,
            target=target,
            keep_float=(
                keep_float
                if keep_float in (None, "auto")
                else keep_float.split(",")
            ),
            refine=refine if refine in ("auto", "none") else refine.split(","),
        )
        show(report, console, as_json)
