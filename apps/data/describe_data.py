"""The data section of a report."""

from kerastl.apps.data.left_out import group_left_out


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


def _augmentation(augmentation):
    if augmentation is None:
        return "Training images are not augmented."
    mirrored = " and mirrored" if augmentation.flip else ""
    return f"Training images are randomly cropped{mirrored}."
