"""Looks at a folder of photos before any training."""

from __future__ import annotations

import collections
import os
from typing import TYPE_CHECKING
from typing import Any

import numpy as np

from kerastl.apps.data.check_memory import check_batch_fits
from kerastl.apps.data.decode_image import load_images
from kerastl.apps.data.find_images import LeftOut
from kerastl.apps.data.find_images import group_left_out
from kerastl.apps.data.find_images import relative_names
from kerastl.apps.data.image_part import map_in_threads
from kerastl.apps.data.list_image_folder import list_image_folder
from kerastl.apps.inspect.inspection import Inspection
from kerastl.apps.inspect.inspection import spread
from kerastl.apps.inspect.inspection import write_inspection
from kerastl.apps.inspect.photo_checks import find_copies
from kerastl.apps.inspect.photo_checks import find_doubtful
from kerastl.apps.inspect.photo_checks import measure_photo
from kerastl.apps.texts import say
from kerastl.arguments import checked_count
from kerastl.arguments import checked_path
from kerastl.arguments import needed_seed
from kerastl.export.utils.atomic_write import check_destination
from kerastl.export.utils.third_party import require
from kerastl.types import PathLike

if TYPE_CHECKING:
    import keras
    from rich.console import Console

# Photos at a time: what bounds the memory.
_BATCH = 64
_DARK = 60
_BLURRED = 30
_LONG = 3
_FEW = 10
_NO_TRAINING = "reestimate"
_UNBALANCED = 5
_NO_WEIGHTS = (
    "Labels were not looked at: that takes what a network makes of the photos. "
    "Name its weights (--weights)."
)


def inspect_photos(
    path: PathLike,
    output: PathLike | None = None,
    preset: str = "mobilenet_v2",
    weights: PathLike | keras.Model | None = None,
    preset_arguments: dict[str, Any] | None = None,
    image_size: int = 224,
    seed: int = 0,
    overwrite: bool = False,
    console: Console | None = None,
) -> Inspection:
    """Finds copies, doubtful labels and odd photos, and changes nothing.

    Copies are found by their bytes and by a perceptual hash, doubtful labels
    by confident learning on the features of a network (with `weights`, and
    cleanlab: `pip install kerastl[inspect]`). A page shows the photos, and
    the commands that would move them.

    Args:
        path: Folder of class folders, or of parts, as `load_image_folder`
            takes it.
        output: The page, `None` for none.
        preset: Name of the network, a key of `apps.PRESETS`.
        weights: Its weights, `"imagenet"`, a file or a Keras model. `None`
            leaves the labels alone, and needs no Keras.
        preset_arguments: Dict of the family's arguments, such as `alpha`.
        image_size: Height and width that a network will take: photos of half
            of that are tiny.
        seed: Of the folds of cross-validation.
        overwrite: Whether a page that is there is replaced.
        console: `rich.console.Console` to show progress on.

    Returns:
        An `Inspection`.

    Raises:
        FileExistsError: There is a page of that name.
        FileNotFoundError: There is no such folder.
        ImportError: `weights` are given, and cleanlab is missing.
        ValueError: The folder has another layout or no readable photos, or
            an argument does not fit.

    Example:

    ```python
    found = apps.inspect_photos("photos", "photos.html", weights="imagenet")
    print(len(found.leaks), found.doubtful[:3])
    ```
    """
    image_size = checked_count("image_size", image_size, least=32)
    seed = needed_seed("seed", seed)
    path = checked_path("path", path)
    if output is not None:
        output = check_destination(output, ".html", overwrite)
    network = None
    if weights is not None:
        require("cleanlab", "kerastl[inspect]")
        network = _build(preset, weights, preset_arguments, image_size)
    listing = list_image_folder(path)
    rows, files = [], []
    for part, members in listing.parts.items():
        for file, label in members:
            rows.append(
                {
                    "file": os.path.relpath(file, path),
                    "part": part,
                    "class": listing.class_names[label],
                }
            )
            files.append(file)
    facts = _in_batches(files, _measure, "looking at", console)
    left_out = list(listing.left_out)
    readable = []
    for index, fact in enumerate(facts):
        if isinstance(fact, str):
            left_out.append(LeftOut(files[index], fact, True))
        else:
            readable.append(index)
    if not readable:
        raise ValueError(
            "None of the photos can be read. "
            f"Received: path={str(path)!r} with {len(files)} files"
        )
    rows = [rows[index] for index in readable]
    files = [files[index] for index in readable]
    facts = [facts[index] for index in readable]
    copies = [[rows[each] for each in group] for group in find_copies(facts)]
    copies.sort(
        key=lambda group: (
            not spread(group, "part"),
            not spread(group, "class"),
        )
    )
    doubtful, why_not = None, _NO_WEIGHTS
    if network is not None:
        doubtful, why_not = _doubtful(
            network, files, rows, listing.class_names, image_size, seed, console
        )
    classes = _count(rows, listing)
    found = Inspection(
        path,
        output,
        classes,
        copies,
        doubtful,
        why_not,
        _odd(facts, rows, image_size),
        group_left_out(relative_names(left_out, path)),
        listing.notes + _balance(classes),
    )
    if output is not None:
        write_inspection(found, output, overwrite)
    return found


def _in_batches(files, function, doing, console):
    """What `function` finds for each batch of files, in one list."""
    from rich.progress import track

    starts = range(0, len(files), _BATCH)
    if console is not None:
        say(console, f"{doing} {len(files):,} photos")
        starts = track(
            starts,
            "",
            console=console,
            transient=True,
            # In a log it would leave an empty line.
            disable=not console.is_interactive,
        )
    found = []
    for start in starts:
        found += function(files[start : start + _BATCH])
    return found


def _measure(files):
    return map_in_threads(measure_photo, files)


def _build(preset, weights, arguments, image_size):
    # Only where labels are looked at.
    from kerastl.apps.data.check_memory import check_training_fits
    from kerastl.apps.presets.preset_table import get_preset
    from kerastl.apps.recipes.recipe_table import RECIPES
    from kerastl.surgery.feature_extractor import embed

    check_batch_fits(image_size, 0, _BATCH)
    network = get_preset(preset).build(
        weights,
        input_shape=(image_size, image_size, 3),
        **(arguments or {}),
    )
    # Nothing is trained: what a batch takes on its way through.
    check_training_fits(network, RECIPES[_NO_TRAINING], image_size, _BATCH)
    return embed(network)


def _doubtful(network, files, rows, names, image_size, seed, console):
    counts = collections.Counter(row["class"] for row in rows)
    few = [name for name in names if counts[name] < 2]
    if few:
        return None, (
            "Labels were not looked at: every class needs two photos that can "
            f"be read, and {few[0]!r} has {counts[few[0]]}."
        )

    def embed_all(batch):
        photos = load_images(batch, image_size)
        return list(np.asarray(network.predict_on_batch(photos)))

    features = _in_batches(files, embed_all, "comparing", console)
    labels = [names.index(row["class"]) for row in rows]
    found = find_doubtful(np.stack(features), labels, seed)
    return [
        {**rows[index], "looks_like": names[likely]} for index, likely in found
    ], ""


def _odd(facts, rows, image_size):
    odd = {"tiny": [], "blurred": [], "dark": [], "odd shape": []}
    for fact, row in zip(facts, rows, strict=True):
        short, long = sorted((fact.width, fact.height))
        size = f"{fact.width} x {fact.height}"
        if short < image_size / 2:
            odd["tiny"].append({**row, "says": size})
        if fact.sharpness < _BLURRED:
            says = f"sharpness {fact.sharpness:.0f}"
            odd["blurred"].append({**row, "says": says, "by": fact.sharpness})
        if fact.light < _DARK:
            says = f"light {fact.light:.0f} of 255"
            odd["dark"].append({**row, "says": says, "by": fact.light})
        if long > _LONG * short:
            odd["odd shape"].append({**row, "says": size})
    for found in odd.values():
        found.sort(key=lambda row: row.pop("by", 0))
    return odd


def _count(rows, listing):
    counts = collections.Counter((row["class"], row["part"]) for row in rows)
    return {
        name: {part: counts[name, part] for part in listing.parts}
        for name in listing.class_names
    }


def _balance(classes):
    totals = {name: sum(parts.values()) for name, parts in classes.items()}
    notes = []
    least, most = (pick(totals, key=totals.get) for pick in (min, max))
    if totals[most] > _UNBALANCED * totals[least]:
        notes.append(
            f"The classes are unbalanced: {totals[most]} photos of {most!r}, "
            f"{totals[least]} of {least!r}."
        )
    few = [name for name, total in totals.items() if total < _FEW]
    if few:
        notes.append(
            f"Classes with fewer than {_FEW} photos: {', '.join(few[:8])}"
            f"{', ...' if few[8:] else ''}."
        )
    return notes
