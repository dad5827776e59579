"""Draws a diagnosis to a file."""

from __future__ import annotations

import pathlib
from typing import TYPE_CHECKING

from kerastl.apps.report.plots import plot_layer_errors
from kerastl.export.utils.atomic_write import staged_file
from kerastl.types import PathLike

if TYPE_CHECKING:
    from kerastl.export.diagnosis.diagnosis import Diagnosis


def draw_diagnosis(
    diagnosis: Diagnosis, path: PathLike, overwrite: bool = False
) -> None:
    """Writes the errors of all layers, in network order, as a picture.

    Args:
        diagnosis: A `kerastl.export.Diagnosis`.
        path: Destination, ending in ".svg".
        overwrite: Whether an existing file may be replaced.

    Example:

    ```python
    diagnosis = kerastl.export.diagnose(model, "model.tflite", images)
    apps.draw_diagnosis(diagnosis, "layers.svg")
    ```
    """
    name = pathlib.Path(diagnosis.path).name
    picture = plot_layer_errors(
        diagnosis.to_dict()["layers"], f"Layers of {name}"
    )
    with staged_file(path, ".svg", overwrite) as temporary:
        temporary.write_text(picture, encoding="utf-8")
