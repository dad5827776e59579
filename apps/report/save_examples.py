"""Example images as files beside a report."""

import heapq
import itertools

import numpy as np
from PIL import Image

from kerastl.export.utils.atomic_write import staged_file
from kerastl.metrics import grad_cam

# Larger than it is ever shown; small enough for a page with thirty of them.
_SIDE = 192
# Tiny images are pixel art: JPEG would smear them.
_TINY = 64


def save_examples(
    folder, predict, batches, class_names, files=None, model=None
):
    """Saves example images to a run's folder.

    Args:
        folder: The `RunFolder`; the images go to `examples/`.
        predict: Function from a batch of images to one score a class, such as
            `Runner.classify` of `kerastl.export`.
        batches: Iterable of batches `(images, labels)`.
        class_names: Names of the classes.
        files: As in `choose_examples`.
        model: Keras model that `predict` asks. With it, where it looked is
            drawn over the images that it took for another class.

    Returns:
        Dict for `report.json`. `examples`: list of dicts of `image`, `side`,
        what `choose_examples` says and, for the wrong ones, `map`, the file
        of the drawing. `maps`: what `map_wrong` says of the drawings.
    """
    place = folder.file("examples")
    place.mkdir(exist_ok=True)
    chosen = choose_examples(predict, batches, class_names, files=files)
    maps, about = {}, None
    if model is not None:
        maps, about = map_wrong(model, chosen, class_names)
    rows = []
    for index, (pixels, row) in enumerate(chosen):
        image = Image.fromarray(pixels)
        row = {
            "image": _save(folder, f"{index:02d}", image),
            "side": min(image.size),
            **row,
        }
        if index in maps:
            row["map"] = _save(folder, f"{index:02d}_map", maps[index])
        rows.append(row)
    return {"examples": rows, "maps": about}


def _save(folder, name, image):
    kind = "jpg" if min(image.size) >= _TINY else "png"
    image.thumbnail((_SIDE, _SIDE))
    name = f"examples/{name}.{kind}"
    path = folder.file(name)
    with staged_file(path, path.suffix, overwrite=True) as temporary:
        image.save(temporary, quality=88)
    return name


def choose_examples(
    predict, batches, class_names, per_kind=10, max_images=512, files=None
):
    """Chooses images that were classified rightly and wrongly.

    Of the right ones, the first of each class; of the wrong ones, those that
    the network was surest of, because they teach most.

    Args:
        predict: Function from a batch of images to one score a class, such as
            `Runner.classify` of `kerastl.export`.
        batches: Iterable of batches `(images, labels)`.
        class_names: Names of the classes.
        per_kind: How many to choose at most, right and wrong each.
        max_images: How many images to look at at most.
        files: Names of the images, in the order of the batches, or `None`.

    Returns:
        List of pairs: the image as a `uint8` array, and a dict of `label`,
        `prediction`, `confidence`, `correct` and, where it has a name, `file`.
    """
    right, wrong = {}, []
    order = itertools.count()
    seen = 0
    for images, labels in batches:
        images, labels = np.asarray(images), np.asarray(labels)
        for place, (image, label, scores) in enumerate(
            zip(images, labels, predict(images), strict=True), start=seen
        ):
            best = int(np.argmax(scores))
            file = files[place] if files else None
            entry = _Entry(image, label, best, float(scores[best]), file)
            if best != label:
                item = (entry.confidence, next(order), entry)
                heapq.heappush(wrong, item)
                if len(wrong) > per_kind:
                    heapq.heappop(wrong)
            elif len(right) < per_kind:
                right.setdefault(int(label), entry)
        seen += len(images)
        if seen >= max_images:
            break
    chosen = [right[label] for label in sorted(right)]
    chosen += [entry for *_, entry in sorted(wrong, reverse=True)]
    return [entry.describe(class_names) for entry in chosen]


class _Entry:
    def __init__(self, image, label, prediction, confidence, file):
        self.image = np.clip(np.rint(image), 0, 255).astype("uint8")
        self.label = int(label)
        self.prediction = prediction
        self.confidence = confidence
        self.file = file

    def describe(self, class_names):
        return self.image, {
            "label": class_names[self.label],
            "prediction": class_names[self.prediction],
            "confidence": self.confidence,
            "correct": self.label == self.prediction,
            **({"file": self.file} if self.file else {}),
        }


# Of the colours; the rest is the image.
_SHARE = 0.5


def map_wrong(model, chosen, class_names):
    """Draws Grad-CAM of the class that was said over the images it misled.

    Args:
        model: The Keras model that classified them.
        chosen: What `choose_examples` returns.
        class_names: Names of the classes.

    Returns:
        Dict from a place in `chosen` to a `PIL.Image.Image`, and what to say
        of them: a dict of `places`, rows and columns of the feature map, or
        of `why_not`; `None` where no image was taken for another class.
    """
    wrong = [
        place for place, (_, row) in enumerate(chosen) if not row["correct"]
    ]
    if not wrong:
        return {}, None
    images = np.stack([chosen[place][0] for place in wrong])
    said = [
        class_names.index(chosen[place][1]["prediction"]) for place in wrong
    ]
    try:
        maps = grad_cam(model, images, said)
    except ValueError as error:
        # What was received is in the report.
        return {}, {"why_not": str(error).partition(" Received:")[0]}
    drawn = dict(zip(wrong, map(_overlay, images, maps), strict=True))
    return drawn, {"places": list(maps.shape[1:])}


def _overlay(pixels, heat):
    """An image in grey, the brighter the more a place spoke for the class."""
    from matplotlib import colormaps

    size = pixels.shape[1::-1]
    heat = Image.fromarray(heat / max(heat.max(), 1e-12))
    heat = np.asarray(heat.resize(size, Image.Resampling.BICUBIC)).clip(0, 1)
    colours = 255 * colormaps["inferno"](heat)[..., :3]
    grey = pixels.mean(-1, keepdims=True)
    mixed = (1 - _SHARE) * grey + _SHARE * colours
    return Image.fromarray(np.rint(mixed).astype("uint8"))
