"""What there is in the data, for a report and the console."""

import numpy as np

from kerastl.apps.data.left_out import group_left_out
from kerastl.apps.data.literal import literal

# From so many times as many images on a class is said to have more.
_UNEVEN = 3


def describe_data(data):
    """Returns what a report says about an `apps.ImageData`, as a dict."""
    counts = data.counts
    notes = [
        f"{data.image_size} px, {data.num_classes} classes.",
        *getattr(data, "notes", ()),
        _augmentation(data.augmentation),
    ]
    return {
        "note": " ".join(notes),
        "splits": list(counts),
        "classes": {
            name: {part: counts[part][name] for part in counts}
            for name in data.class_names
        },
        "totals": {part: sum(counts[part].values()) for part in counts},
        "skipped": [list(item) for item in getattr(data, "skipped", ())],
        "left_out": group_left_out(getattr(data, "left_out", ())),
    }


def class_counts(data):
    """Training images of each class, as an array."""
    return np.array(list(data.counts["train"].values()))


def describe_uneven(data) -> str | None:
    """A hint where some classes have far fewer images than others."""
    counts = class_counts(data)
    if counts.max() < _UNEVEN * counts.min():
        return None
    few, many = (
        data.class_names[place] for place in (counts.argmin(), counts.argmax())
    )
    return (
        f"The classes are uneven, from {counts.min()} ({few}) to "
        f"{counts.max()} images ({many}): --balance lets them count alike"
    )


def describe_unmeasured(data, part) -> str | None:
    """A warning of classes of which nothing is measured.

    Args:
        data: An `ImageData`.
        part: The part that is measured on.
    """
    seen = set(data.parts[part].labels.tolist())
    missing = [
        literal(name)
        for label, name in enumerate(data.class_names)
        if label not in seen
    ]
    if not missing:
        return None
    return (
        f"Nothing is measured of {', '.join(missing)}: too few photos to set "
        f"any aside for {part}. The accuracy is that of the other classes"
    )


def _augmentation(augmentation):
    if augmentation is None:
        return "Training images are not augmented."
    mirrored = " and mirrored" if augmentation.flip else ""
    return f"Training images are randomly cropped{mirrored}."
