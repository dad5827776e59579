"""The names of a model's outputs."""

import pathlib

from kerastl.apps.data.labels_file import read_labels
from kerastl.export.package.metadata import read_metadata


def read_class_names(model_path, num_classes):
    """Returns the class names of a model file, `None` if nothing names them.

    They are in the metadata of the file, or in a `labels.txt` beside it.

    Args:
        model_path: The .keras, .tflite or .onnx file.
        num_classes: Number of its outputs; one output is a yes or no, and
            has two names.

    Raises:
        ValueError: If their number is not that of the outputs.
    """
    metadata = read_metadata(model_path)
    if metadata is not None:
        return metadata.class_names
    path = pathlib.Path(model_path).with_name("labels.txt")
    if not path.is_file():
        return None
    names = read_labels(path)
    if len(names) not in (num_classes, max(num_classes, 2)):
        raise ValueError(
            "The labels.txt beside the model is not its own: it has "
            f"{len(names)} names, the model {num_classes} outputs. "
            f"Received: model={str(model_path)!r}"
        )
    return names
