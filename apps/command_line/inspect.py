"""The verb `kerastl inspect`."""

import pathlib
from typing import Annotated

import typer

from kerastl_command_line.support import Alpha
from kerastl_command_line.support import Debug
from kerastl_command_line.support import Json
from kerastl_command_line.support import Overwrite
from kerastl_command_line.support import open_console
from kerastl_command_line.support import report_errors
from kerastl_command_line.support import show


def inspect(
    photos: Annotated[
        pathlib.Path,
        typer.Argument(
            help="Folder with one folder of images a class, or with "
            "train/, validation/ and test/ of such folders."
        ),
    ],
    weights: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="imagenet or a weights file of the preset, to find doubtful "
            "labels by.",
        ),
    ] = None,
    preset: Annotated[
        str, typer.Option(metavar="NAME", help="Network: see kerastl presets.")
    ] = "mobilenet_v2",
    alpha: Alpha = None,
    image_size: Annotated[
        int,
        typer.Option(
            metavar="PIXELS", min=32, help="That a network will take."
        ),
    ] = 224,
    output: Annotated[
        pathlib.Path | None,
        typer.Option(
            metavar="FILE", help="The page. Default: PHOTOS-inspected.html."
        ),
    ] = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
    debug: Debug = False,
):
    """Look for copies, doubtful labels and odd photos before training.

    Writes a page with the photos and the commands that would move them; it
    moves nothing itself. Copies are found between the parts, too. Doubtful
    labels take --weights, and cleanlab (pip install cleanlab).

        kerastl inspect photos/
        kerastl inspect photos/ --weights imagenet
    """
    # Without weights no network is built, and Keras is not needed.
    only_runs = photos if weights is None else None
    with report_errors(debug), open_console(as_json, only_runs) as console:
        from kerastl.apps.inspect.inspect_photos import inspect_photos

        page = output or f"{photos.resolve().name}-inspected.html"
        found = inspect_photos(
            photos,
            page,
            preset=preset,
            weights=weights,
            preset_arguments={} if alpha is None else {"alpha": alpha},
            image_size=image_size,
            overwrite=overwrite,
            console=console,
        )
        show(found, console, as_json)
