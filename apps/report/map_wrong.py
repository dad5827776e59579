"""Where a network looked when it said the wrong class."""

import numpy as np
from PIL import Image

from kerastl.metrics import grad_cam

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
