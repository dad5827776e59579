"""The verb `kerastl choose`."""

import pathlib
from typing import Annotated

import typer

from kerastl_command_line.support import BatchSize
from kerastl_command_line.support import Debug
from kerastl_command_line.support import Epochs
from kerastl_command_line.support import Json
from kerastl_command_line.support import NoAugment
from kerastl_command_line.support import Seed
from kerastl_command_line.support import Shots
from kerastl_command_line.support import open_console
from kerastl_command_line.support import report_errors
from kerastl_command_line.support import show


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
    no_augment: NoAugment = False,
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
        from kerastl.export.utils.atomic_write import check_destination

        if plot is not None:
            check_destination(plot, ".svg", overwrite=True)
        result = apps.choose(
            photos,
            presets=None if preset is None else preset.split(","),
            weights=weights or None,
            alpha=alpha,
            image_size=image_size,
            shots=shots,
            epochs=epochs,
            batch_size=batch_size,
            minutes=minutes,
            augment=not no_augment,
            seed=seed,
            console=console,
        )
        if plot is not None:
            apps.draw_choice(result, plot, overwrite=True)
        show(result, console, as_json)
