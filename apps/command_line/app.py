"""The `kerastl` command: each verb calls a function that Python has too."""

import importlib.metadata
import pathlib
from typing import Annotated

import typer

from kerastl_command_line.support import Debug
from kerastl_command_line.support import Gate
from kerastl_command_line.support import Json
from kerastl_command_line.support import Switch
from kerastl_command_line.support import Threads
from kerastl_command_line.support import open_console
from kerastl_command_line.support import report_errors
from kerastl_command_line.support import show
from kerastl_command_line.support import show_list

# Nothing here may import a backend: `kerastl --help` answers at once.

app = typer.Typer(
    name="kerastl",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help=(
        "Fine-tune a pre-trained Keras CNN on few images, anti-aliased if "
        "wanted, and ship it as verified TFLite or ONNX."
    ),
    epilog=(
        "Begin with [bold]kerastl quickstart[/bold]: offline, a few minutes, "
        "and a report to look at. Then [bold]kerastl finetune photos/[/bold], "
        "where photos/ holds one folder of images a class."
    ),
)


def main():
    """Runs the command line; the `kerastl` script."""
    app()


@app.callback(invoke_without_command=True)
def _common(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.")
    ] = False,
):
    if version:
        typer.echo(importlib.metadata.version("kerastl"))
        raise typer.Exit


@app.command()
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
    with report_errors(debug), open_console(as_json) as console:
        from kerastl import apps

        result = apps.quickstart(
            output=output, seeds=seeds, resume=resume, console=console
        )
        show(result, console, as_json)


@app.command()
def finetune(
    photos: Annotated[
        pathlib.Path,
        typer.Argument(
            help="Folder with one folder of images a class, or with "
            "train/, validation/ and test/ of such folders."
        ),
    ],
    preset: Annotated[
        str, typer.Option(metavar="NAME", help="Network: see kerastl presets.")
    ] = "mobilenet_v2",
    method: Annotated[
        str, typer.Option(metavar="NAME", help="Recipe: see kerastl methods.")
    ] = "fine_tune",
    antialias: Annotated[
        int | None,
        typer.Option(
            metavar="TAPS",
            min=1,
            max=7,
            help="Insert blurs of so many taps, 1 to 7; 3 as a rule.",
        ),
    ] = None,
    no_stem: Annotated[
        bool,
        typer.Option(
            "--no-stem",
            help="Leave the first down-sampling unblurred: it costs most.",
        ),
    ] = False,
    weights: Annotated[
        str,
        typer.Option(
            metavar="FILE",
            help="imagenet (downloaded), a weights file, a .keras model of "
            "your own, or none.",
        ),
    ] = "imagenet",
    alpha: Annotated[
        float | None,
        typer.Option(
            metavar="WIDTH", help="Width of MobileNets, such as 0.35."
        ),
    ] = None,
    keep_head: Annotated[
        Switch,
        typer.Option(
            help="Keep the classifier of the weights; auto: if a labels.txt "
            "beside them names the same classes."
        ),
    ] = Switch.AUTO,
    image_size: Annotated[
        int | None,
        typer.Option(
            metavar="PIXELS", min=8, help="Side. Default: the preset's."
        ),
    ] = None,
    shots: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=1, help="Training images a class. Default: all."
        ),
    ] = None,
    epochs: Annotated[
        int, typer.Option(metavar="N", min=1, help="Passes over the images.")
    ] = 20,
    batch_size: Annotated[
        int, typer.Option(metavar="N", min=1, help="Images a step.")
    ] = 32,
    learning_rate: Annotated[
        float | None,
        typer.Option(
            metavar="RATE",
            min=0.0,
            help="At the start; it falls to zero. Default: the method's.",
        ),
    ] = None,
    no_augment: Annotated[
        bool,
        typer.Option("--no-augment", help="Train on centre crops, unmirrored."),
    ] = False,
    seed: Annotated[
        int, typer.Option(metavar="N", min=0, help="Of all that is drawn.")
    ] = 0,
    export: Annotated[
        str,
        typer.Option(
            metavar="LIST",
            help="Files to write, by comma, or none: see kerastl schemes.",
        ),
    ] = "tflite:int8",
    max_accuracy_drop: Gate = None,
    threads: Threads = 1,
    output: Annotated[
        pathlib.Path | None,
        typer.Option(
            help="Folder to write; it must be new. Default: runs/PHOTOS-METHOD."
        ),
    ] = None,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume",
            help="Continue the run in the output folder, with the same "
            "arguments; exports may be added.",
        ),
    ] = False,
    jit: Annotated[
        Switch,
        typer.Option(help="Compile the training step; auto: on a GPU."),
    ] = Switch.AUTO,
    as_json: Json = False,
    debug: Debug = False,
):
    """Fine-tune a network on a folder of photos, export and report.

    Without a test folder, the validation images are the test. Exit code 1:
    an exported file lost more accuracy than allowed, or the loss became NaN.

        kerastl finetune photos/
        kerastl finetune photos/ --method ktft --antialias 3
        kerastl finetune photos/ --preset mobilenet_v2 --alpha 0.35 \\
            --image-size 128 --shots 25 --epochs 20 \\
            --export tflite:int8,onnx:int8 --max-accuracy-drop 0.01 \\
            --output runs/mine
        kerastl finetune photos/ --output runs/mine --resume ...
    """
    with report_errors(debug), open_console(as_json) as console:
        from kerastl import apps

        result = apps.fine_tune(
            photos,
            preset=preset,
            method=method,
            antialias=antialias,
            stem=not no_stem,
            weights=None if weights.lower() == "none" else weights,
            preset_arguments={} if alpha is None else {"alpha": alpha},
            keep_head=keep_head.choice,
            image_size=image_size,
            shots=shots,
            epochs=epochs,
            batch_size=batch_size,
            learning_rate=learning_rate,
            augment=not no_augment,
            seed=seed,
            exports=[] if export.lower() == "none" else export.split(","),
            max_accuracy_drop=max_accuracy_drop,
            threads=threads,
            output=output or f"runs/{photos.resolve().name}-{method}",
            resume=resume,
            jit_compile=jit.choice,
            console=console,
        )
        show(result, console, as_json)


@app.command()
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
    overwrite: Annotated[bool, typer.Option("--overwrite")] = False,
    max_accuracy_drop: Gate = None,
    threads: Threads = 1,
    as_json: Json = False,
    debug: Debug = False,
):
    """Export a Keras model to TFLite or ONNX, run the file and compare.

    Exit code 1: the file lost more accuracy than allowed; none is left.

        kerastl export model.keras --scheme float16
        kerastl export model.keras --scheme int8 --calibration photos/
        kerastl export model.keras --format onnx --calibration photos/ \\
            --max-accuracy-drop 0.01
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
        )
        show(report, console, as_json)


@app.command()
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
    with report_errors(debug), open_console(as_json) as console:
        from kerastl import apps

        result = apps.evaluate_model(model, photos, threads=threads)
        show(result, console, as_json)


@app.command()
def presets(as_json: Json = False, debug: Debug = False):
    """List the networks that can be fine-tuned."""
    with report_errors(debug), open_console(as_json) as console:
        from kerastl_command_line.listings import list_presets

        show_list(console, list_presets(), as_json)


@app.command()
def methods(as_json: Json = False, debug: Debug = False):
    """List the transfer methods."""
    with report_errors(debug), open_console(as_json) as console:
        from kerastl_command_line.listings import list_methods

        show_list(console, list_methods(), as_json)


@app.command()
def schemes(as_json: Json = False, debug: Debug = False):
    """List the export formats and quantization schemes."""
    with report_errors(debug), open_console(as_json) as console:
        from kerastl_command_line.listings import list_schemes

        show_list(console, list_schemes(), as_json)
