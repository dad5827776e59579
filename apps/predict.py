"""Says what is on a photo, from any kind of model file."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import TYPE_CHECKING
from typing import Any

import numpy as np

from kerastl.apps.data.class_names import read_class_names
from kerastl.apps.data.decode_image import load_images
from kerastl.apps.data.decode_image import square_side
from kerastl.apps.texts import Printable
from kerastl.arguments import as_paths
from kerastl.arguments import checked_count
from kerastl.export.runners.runner import load
from kerastl.types import PathLike

if TYPE_CHECKING:
    from rich.console import Console


@dataclasses.dataclass
class PredictResult(Printable):
    """What `predict` found.

    Attributes:
        model: The file.
        format: "keras", "tflite" or "onnx".
        predictions: One dictionary an image: `image`, and `classes`, a list
            of `class` and `score`, the best first.
    """

    model: str
    format: str
    predictions: list

    def to_dict(self) -> dict[str, Any]:
        """Returns the fields as plain values, ready for JSON."""
        return dataclasses.asdict(self)

    def print(self, console: Console) -> None:
        """Prints a table to a `rich.console.Console`."""
        from kerastl.apps.report.tables import predictions_table

        console.print(predictions_table(self.predictions))


def predict(
    model: PathLike, images: Iterable[PathLike], top: int = 3, threads: int = 1
) -> PredictResult:
    """Classifies image files with a .keras, .tflite or .onnx file.

    Images are decoded as in training and evaluation, so the three formats of
    one model give the same answer, up to quantization. Class names are taken
    from the metadata of the file, or from a `labels.txt` beside it; without
    both the classes are numbered.

    Args:
        model: The file.
        images: Paths of image files.
        top: How many classes to name.
        threads: CPU threads; Keras itself ignores it.

    Returns:
        A `PredictResult`.

    Raises:
        FileNotFoundError: There is no such file.
        UnreadableImageError: An image is damaged or too small.
        ValueError: The model cannot be read or takes no square RGB images,
            or `top` is less than 1.

    Example:

    ```python
    result = apps.predict("model_int8.tflite", ["photo.jpg"])
    print(result.predictions[0]["classes"][0])
    ```
    """
    top = checked_count("top", top)
    images = [str(image) for image in as_paths("images", images)]
    if not images:
        raise ValueError("Name at least one image. Received: images=[]")
    runner = load(model, threads)
    pixels = load_images(images, square_side(runner, model))
    scores = runner.classify(pixels)
    names = read_class_names(model, runner.num_classes)
    if names is None:
        names = [str(index) for index in range(scores.shape[-1])]
    # Stable, so that equal scores of a quantized file keep the class order.
    order = np.argsort(-scores, axis=-1, kind="stable")[:, :top]
    return PredictResult(
        str(model),
        runner.format,
        [
            {
                "image": image,
                "classes": [
                    {"class": names[index], "score": float(row[index])}
                    for index in best
                ],
            }
            for image, row, best in zip(images, scores, order, strict=True)
        ],
    )
