"""Measures a model file on a folder of photos."""

import dataclasses

from kerastl.apps.data.load_task import load_matching_images
from kerastl.apps.data.same_photos import count_seen
from kerastl.apps.report import figures
from kerastl.export.evaluate import evaluate
from kerastl.export.runners.runner import load
from kerastl.types import PathLike

# In the order of preference: what the model has not been trained on.
_PARTS = ("test", "validation", "train")


@dataclasses.dataclass
class EvaluationResult:
    """What `evaluate_model` measured.

    Attributes:
        figures: Dict of `kerastl.export.evaluate`.
        class_names: Names of the classes, in the order of the outputs.
        part: Part of the folder that was measured on.
        seen: How many of its images the run beside the file was trained or
            validated on; `None` where there is no run, or it does not say.
    """

    figures: dict
    class_names: list
    part: str
    seen: int | None = None

    def to_dict(self):
        """Returns the figures with the names, ready for JSON."""
        return {
            **self.figures,
            "class_names": self.class_names,
            "part": self.part,
            "seen": self.seen,
        }

    def __str__(self):
        found = self.figures
        lines = [
            f"{found['path']} on {found['num_images']} images",
            f"accuracy  {figures.percent(found['accuracy'])}",
            f"latency   {figures.milliseconds(found['latency_ms'])} median, "
            f"{figures.milliseconds(found['latency_p90_ms'])} p90",
        ]
        if found["threads"]:
            threads = found["threads"]
            lines[-1] += f", {threads} thread{'s' if threads > 1 else ''}"
        if self.seen:
            lines.insert(
                1,
                f"{self.seen} of them the network saw in training or "
                "validation, which flatters it",
            )
        width = min(max(map(len, self.class_names)), 40)
        for name, row, index in zip(
            self.class_names,
            found["confusion_matrix"],
            range(len(self.class_names)),
            strict=True,
        ):
            if sum(row):
                share = figures.percent(row[index] / sum(row))
                lines.append(f"  {name[:width]:<{width}}  {share:>8}")
        return "\n".join(lines)


def evaluate_model(
    model: PathLike, photos: PathLike, threads: int = 1
) -> EvaluationResult:
    """Measures the accuracy and the latency of a model file on photos.

    Args:
        model: A .keras, .tflite or .onnx file. A `labels.txt` beside it
            matches the class folders by name.
        photos: Folder of class folders. If it has a test part, that is used,
            else its validation part, else all images.
        threads: CPU threads; Keras itself ignores it.

    Returns:
        An `EvaluationResult`.

    Raises:
        FileNotFoundError: There is no such file or folder.
        ValueError: The file cannot be read, or its classes are others.

    Example:

    ```python
    print(apps.evaluate_model("runs/a/model_int8.tflite", "photos"))
    ```
    """
    runner = load(model, threads)
    data = load_matching_images(model, photos, runner, validation_split=0)
    part = next(name for name in _PARTS if name in data.parts)
    return EvaluationResult(
        evaluate(model, data.crops(part), threads),
        data.class_names,
        part,
        count_seen(model, data.parts[part].files),
    )
