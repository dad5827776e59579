"""Refuses paths that a run cannot read from, before it starts."""

import os
import pathlib

import keras
import numpy as np

from kerastl.apps.data.image_data import ImageData
from kerastl.arguments import checked_path
from kerastl.export.keras_files.weight_source import check_weights_file


def check_paths(arguments, output):
    """The paths among a run's arguments, each a text or a `pathlib.Path`.

    Args:
        arguments: Dict of the arguments of `apps.fine_tune`; others in it are
            not looked at.
        output: Folder of the run.

    Returns:
        Dict from name to what was given.

    Raises:
        FileNotFoundError: For weights that are not there.
        ValueError: For what is no path, and for a run that would be compared
            with itself.
    """
    data, weights = arguments["data"], arguments["weights"]
    unlabelled, compare = arguments["unlabelled"], arguments["compare"]
    checked = {}
    if not isinstance(data, ImageData):
        checked["data"] = _path("data", data, "an `apps.ImageData`")
    if weights is not None and not isinstance(weights, keras.Model):
        what = '"imagenet", None, a Keras model'
        checked["weights"] = _path("weights", weights, what)
        if weights not in ("imagenet", "auto"):
            # Before the photos are read, which may take long.
            check_weights_file(weights)
    if isinstance(unlabelled, (bool, np.bool_)):
        checked["unlabelled"] = bool(unlabelled)
    elif unlabelled is not None:
        checked["unlabelled"] = _path("unlabelled", unlabelled, "True")
    if compare is not None:
        checked["compare"] = _path("compare", compare)
        _check_is_other(compare, checked_path("output", output))
    return checked


def _path(name, value, otherwise=""):
    path = checked_path(name, value, otherwise)
    # A text stays as it was written, which run.json is held against.
    return value if isinstance(value, str) else path


def _check_is_other(compare, output):
    """Refuses the run itself, and files of it, by whatever name."""
    place = pathlib.Path(os.path.realpath(compare))
    own = pathlib.Path(os.path.realpath(output))
    if not (_is_same(place, own) or _is_same(place.parent, own)):
        return
    raise ValueError(
        "The run would be compared with itself. Name an earlier one, "
        "`compare` (--compare), or another output for this one, `output` "
        f"(--output). Received: compare={str(compare)!r}, "
        f"output={str(output)!r}"
    )


def check_is_outside(arguments, output):
    """Refuses a run in a folder of its photos, which would then have its own.

    A report shows photos: the next run would find them there, and take the
    folder for one more class, and this one would no longer be resumed.

    Args:
        arguments: As in `check_paths`, checked.
        output: Folder of the run.

    Raises:
        ValueError: If the photos' folder is above it, or the same.
    """
    own = pathlib.Path(os.path.realpath(checked_path("output", output)))
    for name in ("data", "unlabelled"):
        photos = arguments[name]
        if not isinstance(photos, str | pathlib.Path):
            continue
        place = pathlib.Path(os.path.realpath(photos))
        if place.is_dir() and any(
            _is_same(place, each) for each in (own, *own.parents)
        ):
            raise ValueError(
                "The run would lie among the photos, and its pictures be taken "
                "for some of them. Choose an output elsewhere, `output` "
                "(--output), or work in another folder, where the default is. "
                f"Received: {name}={str(photos)!r}, output={str(output)!r}"
            )


def _is_same(path, other):
    # Where upper and lower case are one, the spelling does not tell.
    return path == other or (
        path.exists() and other.exists() and path.samefile(other)
    )
