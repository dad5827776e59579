"""What scripts that train on photos share: rows that resume, and answers."""

import json

import numpy as np

from kerastl import export
from kerastl.export.runners.class_scores import collect_outputs


def run_missing(path, cells, measure):
    """Measures the cells that a results file lacks; each is written at once.

    Args:
        path: The JSON file, a list of dicts.
        cells: Dicts of what tells a row from others.
        measure: Function of a cell that returns the rest of its row.
    """
    rows = json.loads(path.read_text()) if path.exists() else []
    for cell in cells:
        if any(cell.items() <= row.items() for row in rows):
            continue
        rows.append({**cell, **measure(cell)})
        path.write_text(json.dumps(rows, indent=1) + "\n")
        print(rows[-1], flush=True)


def photo_scores(model, data):
    """What a network or file says of the validation and test photos.

    Args:
        model: A Keras model, or the path of a file.
        data: The `apps.ImageData`.

    Returns:
        Scores `(photos, classes)` and labels `(photos,)`.
    """
    runner = export.load(model)
    found = [
        collect_outputs(runner, getattr(data, part))
        for part in ("validation", "test")
    ]
    scores, labels = map(np.concatenate, zip(*found, strict=True))
    return scores, labels


def percent_right(scores, labels):
    """Accuracy in percent."""
    return round(100 * float(np.mean(scores.argmax(-1) == labels)), 2)
