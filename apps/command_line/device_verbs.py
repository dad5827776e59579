"""Verbs that bring a network to a device: export, carray, page."""

import contextlib
import json
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
            help="Folder of photos, a folder a class: its training part "
            "calibrates, its test part measures. Loose photos calibrate."
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
        from kerastl.arguments import split_names

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
                else split_names("keep_float", keep_float)
            ),
            refine=split_names("refine", refine),
        )
        show(report, console, as_json)


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


def page(
    model: Annotated[pathlib.Path, typer.Argument(help="An .onnx file.")],
    output: Annotated[
        pathlib.Path | None,
        typer.Option(
            metavar="FILE",
            help="Default: try.html beside the model; with --serve none.",
        ),
    ] = None,
    runtime: Annotated[
        pathlib.Path | None,
        typer.Option(
            metavar="FOLDER",
            help="The npm package onnxruntime-web, unpacked or installed. "
            "Default: fetched by npm, once (33 MB).",
        ),
    ] = None,
    serve: Annotated[
        bool,
        typer.Option("--serve", help="Serve the page until Ctrl-C."),
    ] = False,
    host: Annotated[
        str,
        typer.Option(
            metavar="ADDRESS",
            help="To serve at; 0.0.0.0 lets phones in the same network in.",
        ),
    ] = "127.0.0.1",
    port: Annotated[
        int,
        typer.Option(
            metavar="N", min=0, max=65535, help="To serve at; 0 takes any."
        ),
    ] = 8000,
    overwrite: Overwrite = False,
    as_json: Json = False,
    debug: Debug = False,
):
    """Make a page that tries a model out with camera and photos.

    One HTML file of 5 MB and the model, which needs no server and sends
    nothing. Its answers are those of kerastl predict. Browsers open the camera
    for https and localhost alone: on this machine with --serve; a phone that
    --host lets in may choose and take photos.

        kerastl page model_int8.onnx
        kerastl page model_int8.onnx --serve
        kerastl page model_int8.onnx --serve --host 0.0.0.0
    """
    with report_errors(debug), open_console(as_json, model) as console:
        from kerastl.apps.page.serve_page import make_server
        from kerastl.apps.page.write_page import make_page
        from kerastl.apps.page.write_page import write_page
        from kerastl.apps.texts import say

        def tell(**said):
            if as_json:
                typer.echo(json.dumps(said))
            else:
                say(console, "\n".join(said.values()), wrap=False)

        if serve and output is None:
            content = make_page(model, runtime)
        else:
            written = write_page(model, output, runtime, overwrite)
            content = written.read_bytes()
            tell(page=str(written))
        if serve:
            server, address = make_server(content, host, port)
            tell(address=address)
            with server, contextlib.suppress(KeyboardInterrupt):
                server.serve_forever()
