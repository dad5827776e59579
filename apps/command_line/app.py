"""The `kerastl` command: its verbs, put together here.

Each verb calls a function that Python has too.
"""

import importlib.metadata
from typing import Annotated

import typer

from kerastl_command_line.device_verbs import carray
from kerastl_command_line.device_verbs import export
from kerastl_command_line.device_verbs import page
from kerastl_command_line.file_verbs import benchmark
from kerastl_command_line.file_verbs import check
from kerastl_command_line.file_verbs import diagnose
from kerastl_command_line.file_verbs import evaluate
from kerastl_command_line.file_verbs import predict
from kerastl_command_line.finetune import finetune
from kerastl_command_line.photo_verbs import choose
from kerastl_command_line.photo_verbs import inspect
from kerastl_command_line.quickstart import quickstart
from kerastl_command_line.table_verbs import methods
from kerastl_command_line.table_verbs import presets
from kerastl_command_line.table_verbs import schemes

# Nothing here may import a backend: `kerastl --help` answers at once.

# In the order that the help shows them.
_VERBS = (
    quickstart,
    inspect,
    choose,
    finetune,
    export,
    evaluate,
    predict,
    check,
    diagnose,
    benchmark,
    carray,
    page,
    presets,
    methods,
    schemes,
)

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
for _verb in _VERBS:
    app.command()(_verb)


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
