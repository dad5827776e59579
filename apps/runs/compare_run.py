"""What a run gained over an earlier one, photo by photo."""

import json
import math
import unicodedata
from typing import Any
from typing import NamedTuple

import numpy as np

from kerastl.apps.data.class_names import name_some
from kerastl.apps.data.class_names import read_class_names
from kerastl.apps.data.decode_image import square_side
from kerastl.apps.report.figures import NINETY_FIVE
from kerastl.apps.runs.export_files import MODEL
from kerastl.apps.texts import literal
from kerastl.arguments import checked_path
from kerastl.export.runners.class_scores import class_scores
from kerastl.export.runners.class_scores import collect_outputs
from kerastl.export.runners.runner import load


class EarlierRun(NamedTuple):
    """A network to compare with.

    Attributes:
        label: What it is called.
        runner: `kerastl.export.Runner` of its file.
        order: Which of its outputs each class is.
        images: Digests of the photos that it was made from, as
            `run_identity` gives them; `None` where nothing says them.
    """

    label: str
    runner: Any
    order: list
    images: dict | None


def open_earlier(path, data, one_size=False):
    """Opens a run to compare with, before the long work.

    Args:
        path: Folder of a finished run, or a .keras, .tflite or .onnx file.
        data: The `apps.ImageData` of the run.
        one_size: Whether its images cannot be had at another size.

    Returns:
        An `EarlierRun`.

    Raises:
        FileNotFoundError: If there is no such run or file.
        ValueError: If the file cannot be read, or its classes are others, or
            it reads images of a size that there are none of.
    """
    path = checked_path("compare", path)
    file = path / MODEL if path.is_dir() else path
    if not file.is_file():
        raise FileNotFoundError(
            "There is no finished run to compare with. Name the folder of a "
            "run, in which there is a model.keras, or a .keras, .tflite or "
            f".onnx file. Received: compare={str(path)!r}"
        )
    runner = load(file)
    size = square_side(runner, file)
    if one_size and size != data.image_size:
        raise ValueError(
            "The run to compare with reads images of another size than these "
            f"arrays. Received: compare={str(path)!r} of {size} px, images of "
            f"{data.image_size} px"
        )
    names = read_class_names(file, runner.num_classes)
    names = [unicodedata.normalize("NFC", name) for name in names or ()]
    if sorted(names) != sorted(data.class_names):
        told = name_some(names, data.class_names)
        told = told or f"{runner.num_classes} unnamed classes"
        raise ValueError(
            "The run to compare with tells other classes apart. "
            f"Received: compare={str(path)!r} of {told}; photos of "
            f"{name_some(data.class_names, names)}"
        )
    order = [names.index(name) for name in data.class_names]
    return EarlierRun(
        literal(file.parent.name if file.name == MODEL else file.name),
        runner,
        order,
        _read_json(file.with_name("run.json"))
        .get("identity", {})
        .get("images"),
    )


def compare_run(earlier, model, data, part, load_at=None, images=None):
    """Asks both about the same photos.

    The interval is that of the difference on other photos of the kind, by how
    many only one of both names rightly. That another training of either would
    have ended elsewhere is not in it.

    Args:
        earlier: An `EarlierRun`.
        model: The trained `keras.Model`.
        data: The `apps.ImageData` of the run.
        part: Part of the data to ask about.
        load_at: Function of an image size that returns the data at it, split
            alike; `None` where the images have one size.
        images: Digests of the run's own photos, as `run_identity` gives them.

    Returns:
        Dict, ready for JSON: `label`; `accuracy` of the earlier one; the
        `difference` of this one to it, and half its 95 % `interval`, as
        shares; `images`, their number; `only_this` and `only_earlier`, how
        many only one names rightly; `same_photos`, whether the earlier one
        was measured on the same, `None` where nothing says so.
    """
    ours = _hits(load(model), data, part)
    size = square_side(earlier.runner, earlier.label)
    same = _same(earlier.images, images, part)
    if size != data.image_size:
        data = load_at(size)
        if data.parts[part].files is None:
            # Arrays of another size have another digest.
            same = None
    theirs = _hits(earlier.runner, data, part, earlier.order)
    gained = ours.astype(int) - theirs
    count = len(gained)
    error = math.sqrt(np.var(gained) / count)
    return {
        "label": earlier.label,
        "accuracy": float(theirs.mean()),
        "difference": float(gained.mean()),
        "interval": NINETY_FIVE * error,
        "images": count,
        "only_this": int((gained > 0).sum()),
        "only_earlier": int((gained < 0).sum()),
        "same_photos": same,
    }


def add_comparison(folder, earlier, *asked):
    """Puts what `compare_run` finds into a run's report.

    Args:
        folder: The `RunFolder`, trained.
        earlier: An `EarlierRun`.
        *asked: The other arguments of `compare_run`, from `data` on.
    """
    report = folder.read_json("report.json")
    found = compare_run(earlier, folder.load_model(MODEL), *asked)
    report["compared"] = {**found, "text": describe_comparison(found)}
    folder.write_json("report.json", report)


def describe_comparison(found):
    """Returns the sentences on what `compare_run` found."""
    points, half = 100 * found["difference"], 100 * found["interval"]
    sure = abs(points) > half
    text = (
        f"Against {found['label']} ({100 * found['accuracy']:.1f} %) it gained "
        f"{points:+.1f} ± {half:.1f} points on the same {found['images']} "
        f"images: {found['only_this']} that only it names rightly, "
        f"{found['only_earlier']} that only the other does."
    )
    if not sure and (found["only_this"] or found["only_earlier"]):
        text += " On other photos it may be the other way round."
    if found["same_photos"] is False:
        text += (
            " The other was not measured on these: it may have learned some of "
            "them, which would flatter it."
        )
    return text


def _hits(runner, data, part, order=None):
    """Which images of a part are named rightly."""
    outputs, labels = collect_outputs(runner, getattr(data, part))
    scores = class_scores(outputs, runner.kind)
    if order is not None:
        scores = scores[:, order]
    return scores.argmax(-1) == labels.reshape(-1)


def _same(theirs, ours, part):
    if theirs is None or ours is None:
        return None
    names = {
        name for name in (*theirs, *ours) if name.partition("/")[0] == part
    }
    return all(theirs.get(name) == ours.get(name) for name in names)


def _read_json(path):
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
