"""The pre-trained weights that this machine has, by the names of files."""

import os
import pathlib
import re
from typing import NamedTuple

from kerastl.apps.presets.preset_table import PRESETS

_ENDINGS = (".h5", ".keras")
# Widths as our files and those of keras.applications write them.
_WIDTH = re.compile(r"(?<![\d.])([01]\.\d+)(?!\d)")
_OLD_WIDTH = re.compile(r"_(1_0|7_5|5_0|2_5)_")
_OLD_WIDTHS = {"1_0": 1.0, "7_5": 0.75, "5_0": 0.5, "2_5": 0.25}


class Weights(NamedTuple):
    """A weights file, and the network that it belongs to.

    Args:
        preset: Key of `apps.PRESETS`.
        arguments: Dict of the family's arguments, such as `alpha`.
        path: The file.
    """

    preset: str
    arguments: dict
    path: pathlib.Path

    @property
    def label(self):
        """The network's name, with its width."""
        return " ".join([self.preset, *map(str, self.arguments.values())])


def weights_at_hand(places) -> list[Weights]:
    """Finds weights of the presets.

    A file is known by its name: that of the preset, and the width of a
    MobileNet, in the manner of `keras.applications` or as
    `mobilenet_v2_0.35.weights.h5`. Of two files of one network the one
    without a classifier is taken.

    Args:
        places: Files and folders; those that do not exist are passed over.

    Returns:
        The files, in the order of `apps.PRESETS` and of the width.

    Example:

    ```python
    weights_at_hand(["weights"])[0].label  # 'mobilenet_v2 0.35'
    ```
    """
    found = {}
    for file in _files(places):
        preset = preset_of(file.name)
        if preset is None:
            continue
        arguments = width_of(preset, file.name)
        found.setdefault((preset, *arguments.values()), []).append(
            Weights(preset, arguments, file)
        )
    chosen = [min(files, key=_rank) for files in found.values()]
    order = list(PRESETS)
    return sorted(
        chosen,
        key=lambda each: (order.index(each.preset), *each.arguments.values()),
    )


def usual_places(photos) -> list[pathlib.Path]:
    """Where weights are looked for: Keras's downloads, and beside the photos.

    Args:
        photos: Folder of the photos; a folder `weights` beside it counts.
    """
    # As Keras finds it, which has no public name for it.
    home = os.environ.get("KERAS_HOME") or pathlib.Path.home() / ".keras"
    return [
        pathlib.Path(home) / "models",
        pathlib.Path(photos).resolve().parent / "weights",
    ]


def preset_of(name) -> str | None:
    """The preset that a file's name tells, or `None`."""
    letters = re.sub(r"[^a-z0-9]", "", name.lower())
    known = [preset for preset in PRESETS if preset.replace("_", "") in letters]
    # `mobilenet` is in the name of every MobileNet.
    return max(known, key=len, default=None)


def with_width(preset, alpha=None) -> dict:
    """The arguments of a network of that width; only MobileNets have one.

    Args:
        preset: Key of `apps.PRESETS`.
        alpha: The width; `None` is the full one.
    """
    if alpha is None and not preset.startswith("mobilenet"):
        return {}
    return {"alpha": 1.0 if alpha is None else alpha}


def width_of(preset, name) -> dict:
    """The arguments of a network, by the width in its file's name."""
    width, old = _WIDTH.search(name), _OLD_WIDTH.search(name)
    if not preset.startswith("mobilenet"):
        return {}
    if width:
        return with_width(preset, float(width[1]))
    return with_width(preset, _OLD_WIDTHS[old[1]] if old else None)


def _files(places):
    for place in map(pathlib.Path, places):
        if place.is_dir():
            # Some systems put a hidden file of their own beside each; a link
            # may lead nowhere.
            yield from sorted(
                file
                for file in place.iterdir()
                if file.suffix in _ENDINGS
                and not file.name.startswith(".")
                and file.is_file()
            )
        elif place.is_file():
            yield place


def _rank(weights):
    without = re.search(r"no_?top", weights.path.name) is not None
    return not without, weights.path.name
