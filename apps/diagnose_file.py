"""Diagnoses an exported file with photos from a folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kerastl.apps.data.load_task import load_matching_images
from kerastl.arguments import checked_path
from kerastl.export import diagnose
from kerastl.export import load
from kerastl.export.keras_files.load_keras_file import load_keras_file
from kerastl.types import PathLike

if TYPE_CHECKING:
    from kerastl.export.diagnosis.diagnosis import Diagnosis


def diagnose_file(
    model: PathLike, file: PathLike, photos: PathLike, num_images: int = 32
) -> Diagnosis:
    """Measures what every layer of a model loses in an exported file.

    Args:
        model: The `.keras` file that the other was written from.
        file: The .tflite or .onnx file.
        photos: Folder of class folders, as for `evaluate_model`.
        num_images: How many photos to run at most, spread over the classes.

    Returns:
        A `kerastl.export.Diagnosis`.

    Raises:
        FileNotFoundError: There is no such file or folder.
        ValueError: A file cannot be read, or they do not belong together.

    Example:

    ```python
    print(apps.diagnose_file("a/model.keras", "a/model.tflite", "photos"))
    ```
    """
    model = checked_path("model", model)
    runner = load(model)
    if runner.format != "keras":
        raise ValueError(
            "The first file must be the Keras model that the other one was "
            f"written from. Received: model={str(model)!r}"
        )
    data = load_matching_images(model, photos, runner, validation_split=0)
    return diagnose(
        load_keras_file(model),
        file,
        data.test or data.validation or data.calibration,
        num_images,
    )
