"""Verbs that look at photos before a training: inspect, choose."""

import pathlib
from typing import Annotated

import typer

from kerastl_command_line.support import Alpha
from kerastl_command_line.support import Augment
from kerastl_command_line.support import BatchSize
from kerastl_command_line.support import Debug
from kerastl_command_line.support import Epochs
from kerastl_command_line.support import Json
from kerastl_command_line.support import Overwrite
from kerastl_command_line.support import Seed
from kerastl_command_line.support import Shots
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


def choose(
    photos: Annotated[
        pathlib.Path,
        typer.Argument(
            help="Folder as for kerastl finetune; only its training images "
            "are looked at."
        ),
    ],
    preset: Annotated[
        str | None,
        typer.Option(
            metavar="LIST",
            help="Networks to choose from, by comma. Default: all whose "
            "weights are at hand.",
        ),
    ] = None,
    weights: Annotated[
        list[pathlib.Path] | None,
        typer.Option(
            metavar="PLACE",
            help="File, or folder of files, that hold weights; may be given "
            "more than once. Default: Keras's downloads, and a folder "
            "weights beside the photos.",
        ),
    ] = None,
    alpha: Annotated[
        float | None,
        typer.Option(
            metavar="WIDTH",
            help="Width, for one MobileNet whose file does not tell it.",
        ),
    ] = None,
    image_size: Annotated[
        int | None,
        typer.Option(
            metavar="PIXELS", min=8, help="Side. Default: each preset's."
        ),
    ] = None,
    shots: Shots = None,
    epochs: Epochs = 20,
    batch_size: BatchSize = 32,
    minutes: Annotated[
        float,
        typer.Option(
            metavar="M",
            help="Time for all of it; trials on the photos fill what looking "
            "at them leaves.",
        ),
    ] = 5.0,
    augment: Augment = "light",
    seed: Seed = 0,
    plot: Annotated[
        pathlib.Path | None,
        typer.Option(metavar="FILE", help="Also draw the candidates, as .svg."),
    ] = None,
    as_json: Json = False,
    debug: Debug = False,
):
    """Say which network and method will do best on photos.

        kerastl choose photos/
        kerastl choose photos/ --weights files/ --shots 25 --minutes 5
        kerastl choose photos/ --preset mobilenet_v2 --image-size 128 \\
            --minutes 0.5 --plot choice.svg
    """
    with report_errors(debug), open_console(as_json) as console:
        from kerastl import apps
        from kerastl.arguments import split_names
        from kerastl.export.utils.atomic_write import check_destination

        if plot is not None:
            check_destination(plot, ".svg", overwrite=True)
        result = apps.choose(
            photos,
            presets=None if preset is None else split_names("preset", preset),
            weights=weights or None,
            alpha=alpha,
            image_size=image_size,
            shots=shots,
            epochs=epochs,
            batch_size=batch_size,
            minutes=minutes,
            augment=augment,
            seed=seed,
            console=console,
        )
        if plot is not None:
            apps.draw_choice(result, plot, overwrite=True)
        show(result, console, as_json)
