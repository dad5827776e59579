"""The `kerastl` command: each verb calls a function that Python has too."""

import contextlib
import importlib
import json
import os
import pathlib
import warnings
from typing import Annotated

import typer

import kerastl

# Nothing here may import a backend: `kerastl --help` answers at once.

_EXIT_CHECK_FAILED = 1
_EXIT_BAD_INPUT = 2
_EXIT_INTERRUPTED = 130

app = typer.Typer(
    name="kerastl",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help=(
        "Fine-tune a pre-trained Keras CNN on few images, anti-aliased if "
        "wanted, and ship it as verified TFLite or ONNX."
    ),
    epilog=(
        "Begin with `kerastl quickstart`: offline, a few minutes, and a "
        "report to look at. Then `kerastl finetune photos/`, where "
        "`photos/` holds one folder of images a class."
    ),
)

Debug = Annotated[
    bool,
    typer.Option(
        "--debug",
        envvar="KERASTL_DEBUG",
        help="Show the traceback of an error.",
    ),
]
Json = Annotated[
    bool, typer.Option("--json", help="Print JSON instead of tables.")
]
Threads = Annotated[
    int, typer.Option(min=1, help="Threads of the runtimes that are timed.")
]
Gate = Annotated[
    float | None,
    typer.Option(
        min=0.0,
        max=1.0,
        help="Refuse a file that loses more than this share of accuracy "
        "(0.01 = one point): exit code 1, no file left.",
    ),
]


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
        from kerastl.version import __version__

        typer.echo(__version__)
        raise typer.Exit


@app.command()
def quickstart(
    output: Annotated[
        pathlib.Path, typer.Option(help="Folder to write; it must be new.")
    ] = pathlib.Path("runs/quickstart"),
    seeds: Annotated[
        int, typer.Option(min=1, help="How often each method is trained.")
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
    with _errors(debug), _console(as_json) as console:
        from kerastl import apps

        result = apps.quickstart(
            output=output, seeds=seeds, resume=resume, console=console
        )
        _show(result, console, as_json)


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
        str, typer.Option(help="Network; `kerastl presets` lists them.")
    ] = "mobilenet_v2",
    method: Annotated[
        str, typer.Option(help="Recipe; `kerastl methods` lists them.")
    ] = "fine_tune",
    antialias: Annotated[
        int | None,
        typer.Option(
            min=1, max=7, help="Taps of the blurs, 3 as a rule. None: no blur."
        ),
    ] = None,
    stem: Annotated[
        bool,
        typer.Option(help="Blur the first down-sampling too; it costs most."),
    ] = True,
    weights: Annotated[
        str,
        typer.Option(
            help="`imagenet` (downloaded), a weights file, a .keras model of "
            "your own, or `none`."
        ),
    ] = "imagenet",
    alpha: Annotated[
        float | None, typer.Option(help="Width of MobileNets, such as 0.35.")
    ] = None,
    image_size: Annotated[
        int | None,
        typer.Option(min=8, help="Side in pixels. Default: the preset's."),
    ] = None,
    shots: Annotated[
        int | None,
        typer.Option(min=1, help="Training images a class. Default: all."),
    ] = None,
    epochs: Annotated[int, typer.Option(min=1)] = 20,
    batch_size: Annotated[int, typer.Option(min=1)] = 32,
    learning_rate: Annotated[
        float | None, typer.Option(min=0.0, help="Default: the method's.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    export: Annotated[
        str,
        typer.Option(
            help="Comma-separated `format:scheme`; `kerastl schemes` lists "
            "them. `none`: no export."
        ),
    ] = "tflite:int8",
    max_accuracy_drop: Gate = None,
    threads: Threads = 1,
    output: Annotated[
        pathlib.Path | None,
        typer.Option(
            help="Folder to write; it must be new. Default: "
            "runs/<photos>-<method>."
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
        bool | None,
        typer.Option(
            "--jit/--no-jit",
            help="Compile the training step. Default: on a GPU only.",
        ),
    ] = None,
    as_json: Json = False,
    debug: Debug = False,
):
    """Fine-tune a network on a folder of photos, export and report.

        kerastl finetune photos/
        kerastl finetune photos/ --method ktft --antialias 3
        kerastl finetune photos/ --preset mobilenet_v2 --alpha 0.35 \\
            --image-size 128 --shots 25 --epochs 20 \\
            --export tflite:int8,onnx:int8 --max-accuracy-drop 0.01 \\
            --output runs/mine
        kerastl finetune photos/ --output runs/mine --resume ...

    Without a test folder, the validation images are the test. Exit code 1:
    an exported file lost more accuracy than allowed, or the loss became NaN.
    """
    with _errors(debug), _console(as_json) as console:
        from kerastl import apps

        result = apps.fine_tune(
            photos,
            preset=preset,
            method=method,
            antialias=antialias,
            stem=stem,
            weights=None if weights.lower() == "none" else weights,
            preset_arguments={} if alpha is None else {"alpha": alpha},
            image_size=image_size,
            shots=shots,
            epochs=epochs,
            batch_size=batch_size,
            learning_rate=learning_rate,
            seed=seed,
            exports=[] if export.lower() == "none" else export.split(","),
            max_accuracy_drop=max_accuracy_drop,
            threads=threads,
            output=output or f"runs/{photos.resolve().name}-{method}",
            resume=resume,
            jit_compile=jit,
            console=console,
        )
        _show(result, console, as_json)


@app.command()
def export(
    model: Annotated[pathlib.Path, typer.Argument(help="A .keras model.")],
    scheme: Annotated[
        str, typer.Option(help="`kerastl schemes` lists them.")
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
        typer.Option(
            help="`tflite` or `onnx`. Default: by --output, else tflite."
        ),
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

        kerastl export model.keras --scheme float16
        kerastl export model.keras --scheme int8 --calibration photos/
        kerastl export model.keras --format onnx --calibration photos/ \\
            --max-accuracy-drop 0.01
    """
    with _errors(debug), _console(as_json) as console:
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
        _show(report, console, as_json)


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
    with _errors(debug), _console(as_json) as console:
        from kerastl import apps

        result = apps.evaluate_model(model, photos, threads=threads)
        _show(result, console, as_json)


@app.command()
def presets(as_json: Json = False, debug: Debug = False):
    """List the networks that can be fine-tuned."""
    with _errors(debug), _console(as_json) as console:
        from kerastl.apps.listings import list_presets

        _list(console, list_presets(), as_json)


@app.command()
def methods(as_json: Json = False, debug: Debug = False):
    """List the transfer methods."""
    with _errors(debug), _console(as_json) as console:
        from kerastl.apps.listings import list_methods

        _list(console, list_methods(), as_json)


@app.command()
def schemes(as_json: Json = False, debug: Debug = False):
    """List the export formats and quantization schemes."""
    with _errors(debug), _console(as_json) as console:
        from kerastl.apps.listings import list_schemes

        _list(console, list_schemes(), as_json)


@contextlib.contextmanager
def _errors(debug):
    """Turns exceptions into one short message and an exit code."""
    try:
        yield
    except typer.Exit:
        raise
    except KeyboardInterrupt:
        _complain("stopped. The same command with --resume goes on.")
        raise typer.Exit(_EXIT_INTERRUPTED) from None
    except Exception as error:
        if debug:
            raise
        from kerastl.export.accuracy_drop_error import AccuracyDropError

        bad_input = isinstance(
            error, ValueError | TypeError | LookupError | OSError | ImportError
        )
        if isinstance(error, AccuracyDropError) or not bad_input:
            code = _EXIT_CHECK_FAILED
        else:
            code = _EXIT_BAD_INPUT
        _complain(str(error) or type(error).__name__)
        raise typer.Exit(code) from None


def _complain(message, style="red"):
    from rich.console import Console

    console = Console(stderr=True)
    console.width = min(console.width, 80)
    console.print(
        f"kerastl: {message}", style=style, markup=False, highlight=False
    )


@contextlib.contextmanager
def _console(as_json=False):
    """Loads the backend, and yields where to print."""
    from rich.console import Console

    _load_quietly()
    # Figures for a program go to stdout alone.
    console = Console(stderr=as_json)
    console.width = min(console.width, 80)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.filterwarnings("default", category=UserWarning)
        warnings.showwarning = _show_warning
        yield console


def _load_quietly():
    """Imports what `kerastl.command_start` has put off.

    The backend logs from C++, before any setting reaches it, so the file
    descriptor itself leads nowhere meanwhile.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if hasattr(kerastl, "FineTuner"):
        return
    saved = os.dup(2)
    try:
        with open(os.devnull, "w") as nothing:
            os.dup2(nothing.fileno(), 2)
        importlib.reload(kerastl)
        importlib.reload(kerastl.apps)
    finally:
        os.dup2(saved, 2)
        os.close(saved)


def _show_warning(message, category, filename, *_):
    # Of other packages' warnings, a user of the command has no use.
    own = (kerastl.__file__, __file__)
    if any(
        pathlib.Path(filename).is_relative_to(pathlib.Path(file).parent)
        for file in own
    ):
        _complain(f"warning: {message}", style="yellow")


def _show(result, console, as_json):
    if as_json:
        typer.echo(json.dumps(result.to_dict(), indent=2))
    elif hasattr(result, "print"):
        result.print(console)
    else:
        console.print(str(result), highlight=False, markup=False)


def _list(console, rows, as_json):
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
        return
    from kerastl.apps.tables import make_table

    numeric = {
        name for name, value in rows[0].items() if not isinstance(value, str)
    }
    columns = [f">{name}" if name in numeric else name for name in rows[0]]
    console.print(make_table(columns, [row.values() for row in rows]))
