"""Example images as files beside a report."""

from PIL import Image

from kerastl.apps.report.choose_examples import choose_examples
from kerastl.apps.report.map_wrong import map_wrong
from kerastl.export.utils.atomic_write import staged_file

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
