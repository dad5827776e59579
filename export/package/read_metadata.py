"""Reads what an exported file says of itself."""

import json
import pathlib

from kerastl.export.package.metadata import Metadata
from kerastl.export.package.tflite_archive import METADATA
from kerastl.export.package.tflite_archive import split_archive
from kerastl.export.package.write_metadata import ONNX_KEY
from kerastl.types import PathLike


def read_metadata(path: PathLike) -> Metadata | None:
    """Returns the `Metadata` of a .tflite or .onnx file, `None` without any.

    Args:
        path: The file.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If there is metadata, but damaged or of a newer version.

    Example:

    ```python
    print(read_metadata("model.tflite").class_names)
    ```
    """
    path = pathlib.Path(path)
    if not path.is_file():
        raise FileNotFoundError(
            f"There is no file '{path}'. Received: path={str(path)!r}"
        )
    try:
        text = _text(path)
        values = None if text is None else json.loads(text)
    except Exception as error:
        raise ValueError(
            f"The metadata of '{path}' cannot be read ({error}). Export the "
            f"file again. Received: path={str(path)!r}"
        ) from error
    return None if values is None else Metadata.from_dict(values)


def _text(path):
    if path.suffix == ".tflite":
        _, files = split_archive(path.read_bytes())
        return files.get(METADATA)
    if path.suffix == ".onnx":
        import onnx

        model = onnx.load(path, load_external_data=False)
        return {each.key: each.value for each in model.metadata_props}.get(
            ONNX_KEY
        )
    return None
