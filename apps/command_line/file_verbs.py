"""Verbs that look at a finished file: what it answers, needs and takes."""

import pathlib
from typing import Annotated

import typer

from kerastl_command_line.support import EXIT_CHECK_FAILED
from kerastl_command_line.support import Debug
from kerastl_command_line.support import Json
from kerastl_command_line.support import Overwrite
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
