"""Example images as files beside a report."""

from kerastl.apps.report.choose_examples import choose_examples
from kerastl.export.stage import staged_file

# Larger than it is ever shown; small enough for a page with twenty of them.
_SIDE = 192


def save_examples(folder, predict, batches, class_names, files=None):
    """Saves example images to a run's folder.

    Args:
        folder: The `RunFolder`; the images go to `examples/`.
        predict: Function from a batch of images to one score a class, such as
            `Runner.classify` of `kerastl.export`.
        batches: Iterable of batches `(images, labels)`.
        class_names: Names of the classes.
        files: As in `choose_examples`.

    Returns:
        List of dicts for `report.json`: `image`, `side` and what
        `choose_examples` says of it.
    """
    from PIL import Image

    place = folder.file("examples")
    place.mkdir(exist_ok=True)
    rows = []
    chosen = choose_examples(predict, batches, class_names, files=files)
    for index, (pixels, row) in enumerate(chosen):
        image = Image.fromarray(pixels)
        side = min(image.size)
        image.thumbnail((_SIDE, _SIDE))
        # Tiny images are pixel art: JPEG would smear them.
        kind = "jpg" if side >= 64 else "png"
        name = f"examples/{index:02d}.{kind}"
        path = folder.file(name)
        with staged_file(path, path.suffix, overwrite=True) as temporary:
            image.save(temporary, quality=88)
        rows.append({"image": name, "side": side, **row})
    return rows
