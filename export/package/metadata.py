"""What a file says of itself: labels, size, preprocessing."""

from __future__ import annotations

import dataclasses
import json
from typing import Any
from typing import Self

from kerastl.arguments import checked_path
from kerastl.export.package.tflite_metadata import METADATA
from kerastl.export.package.tflite_metadata import describe_images
from kerastl.export.package.tflite_metadata import join_archive
from kerastl.export.package.tflite_metadata import set_metadata
from kerastl.export.package.tflite_metadata import split_archive
from kerastl.export.runners.runner import load
from kerastl.export.utils.atomic_write import staged_file
from kerastl.export.utils.third_party import trust_file
from kerastl.types import PathLike
from kerastl.version import __version__

# Raised when a reader of an older version would misread what is written.
FORMAT_VERSION = 1


@dataclasses.dataclass
class Metadata:
    """What an application needs to use a file without its source code.

    Attributes:
        class_names: Names of the outputs, in order.
        input: Dictionary of the input: `shape` of one image, `dtype`, and
            for integers `scale` and `zero_point`.
        output: The same of the output.
        preprocessing: How an image becomes the input, in a sentence.
        pixel_range: The numbers that black and white are for the network.
        training: Dictionary of how the network was made; free in content.
        metrics: Dictionary of what was measured on the file.
        kerastl_version: Version that wrote the file.
        format_version: Version of this layout.
    """

    class_names: list
    input: dict = dataclasses.field(default_factory=dict)
    output: dict = dataclasses.field(default_factory=dict)
    preprocessing: str = (
        "Decode to RGB, resize the short side to the input size, cut out the "
        "middle square, values 0 to 255. Everything else is inside the model."
    )
    pixel_range: tuple = (0, 255)
    training: dict = dataclasses.field(default_factory=dict)
    metrics: dict = dataclasses.field(default_factory=dict)
    kerastl_version: str = __version__
    format_version: int = FORMAT_VERSION

    def to_dict(self) -> dict[str, Any]:
        """Returns the fields as plain values, ready for JSON."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Returns the metadata that `to_dict` gave; unknown keys are left out.

        Raises:
            ValueError: If the layout is newer than this version reads, or
                a field is missing or of another kind, or the number of
                names is not that of the outputs.
        """
        if not isinstance(values, dict):
            raise ValueError(
                "The metadata is damaged: expected an object. Export the file "
                f"again. Received: {type(values).__name__}"
            )
        version = values.get("format_version", FORMAT_VERSION)
        if not isinstance(version, int) or isinstance(version, bool):
            raise ValueError(
                "The metadata is damaged: its layout has a whole number. "
                f"Export the file again. Received: format_version={version!r}"
            )
        if version > FORMAT_VERSION:
            raise ValueError(
                "The metadata was written by a newer version of kerastl "
                f"({values.get('kerastl_version')}). Update kerastl to read "
                f"it. Received: format_version={version}"
            )
        if not isinstance(values.get("class_names"), list):
            raise ValueError(
                "The metadata names no classes. Received: keys="
                f"{sorted(values)}"
            )
        _check_fields(values)
        known = {field.name for field in dataclasses.fields(cls)}
        found = {key: values[key] for key in values.keys() & known}
        if "pixel_range" in found:
            found["pixel_range"] = tuple(found["pixel_range"])
        return cls(**found)


def _check_fields(values):
    names = values["class_names"]
    odd = [name for name in names if not isinstance(name, str)]
    if odd:
        raise ValueError(
            "The metadata is damaged: class names are texts. Export the file "
            f"again. Received: class_names with {odd[:3]}"
        )
    black_white = values.get("pixel_range", (0, 255))
    if not (
        isinstance(black_white, (list, tuple))
        and len(black_white) == 2
        and all(isinstance(each, (int, float)) for each in black_white)
        and black_white[0] < black_white[1]
    ):
        raise ValueError(
            "The metadata is damaged: black is a smaller number than white. "
            f"Export the file again. Received: pixel_range={black_white!r}"
        )
    for key in ("input", "output", "training", "metrics"):
        if not isinstance(values.get(key, {}), dict):
            raise ValueError(
                "The metadata is damaged: expected an object. Export the file "
                f"again. Received: {key}={values[key]!r}"
            )
    shape = values.get("output", {}).get("shape")
    if isinstance(shape, list) and shape:
        outputs = shape[-1]
        if len(names) not in (outputs, max(outputs, 2)):
            raise ValueError(
                "The metadata is damaged: it needs a class name an output. "
                f"Export the file again. Received: {len(names)} names, "
                f"{outputs} outputs"
            )


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
    path = checked_path("path", path)
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


ONNX_KEY = "kerastl"
# What phones take images in; for other files they have no use.
_MOBILE = ("uint8", "float32")
_SUFFIXES = (".tflite", ".onnx")


def write_metadata(path: PathLike, metadata: Metadata) -> Metadata:
    """Writes metadata into a .tflite or .onnx file, in place.

    A .tflite file gets `metadata.json` and `labels.txt` as a zip archive
    behind its graph: `zipfile` and every zip program read them, and the
    runtimes do not see them. Where its input is uint8 or float32, as Android
    and iOS want it, it gets TFLite Metadata too, which MediaPipe and ML Kit
    read: the scaling of the pixels, and where the labels are. An .onnx file
    gets it all as `metadata_props`. What the graph computes stays as it was;
    metadata that is there already is replaced. The new file is loaded once
    before it takes the old one's place.

    Args:
        path: The file.
        metadata: `Metadata`. Its `input` and `output` are taken from the
            file.

    Returns:
        The `Metadata` as it was written.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the number of class names is not that of the file's
            outputs, or the file cannot be read.

    Example:

    ```python
    write_metadata("model.tflite", Metadata(["cat", "dog"]))
    ```
    """
    path = checked_path("path", path)
    if path.suffix not in _SUFFIXES:
        raise ValueError(
            f"Metadata goes into files that end in one of {_SUFFIXES}. "
            f"Received: path={str(path)!r}"
        )
    runner = load(path)
    metadata = dataclasses.replace(
        metadata,
        class_names=[str(name) for name in metadata.class_names],
        input=_described(runner.input, runner.input_shape),
        output=_described(runner.output, (runner.num_classes,)),
    )
    _check_labels(metadata.class_names, runner.num_classes, path)
    values = metadata.to_dict()
    with staged_file(path, path.suffix, overwrite=True) as temporary:
        if path.suffix == ".tflite":
            graph, _ = split_archive(path.read_bytes())
            graph = set_metadata(graph, _described_images(path, metadata))
            temporary.write_bytes(
                join_archive(graph, values, metadata.class_names)
            )
        else:
            _write_onnx(path, temporary, values)
        trust_file(temporary)
        load(temporary)
    return metadata


def _described(tensor, shape):
    return {**tensor, "shape": list(shape)}


def _described_images(path, metadata):
    shape = metadata.input["shape"]
    if metadata.input["dtype"] not in _MOBILE or shape[-1:] != [3]:
        return None
    labelled = len(metadata.class_names) == metadata.output["shape"][-1]
    return describe_images(path.stem, metadata.pixel_range, labelled)


def _check_labels(names, num_classes, path):
    # A single output is a yes or no, and has a name for each.
    expected = max(num_classes, 2)
    if len(names) not in (num_classes, expected):
        raise ValueError(
            f"The file '{path}' has {num_classes} outputs, so it needs "
            f"{expected} class names, one an output, in order. "
            f"Received: {len(names)} names, {names[:5]}"
        )
    if any("\n" in name for name in names):
        raise ValueError(
            "Class names are written one a line and cannot hold line breaks. "
            f"Received: {[name for name in names if chr(10) in name][:5]}"
        )


def _write_onnx(path, temporary, values):
    import onnx

    model = onnx.load(path)
    del model.metadata_props[:]
    onnx.helper.set_model_props(
        model,
        {
            ONNX_KEY: json.dumps(values, ensure_ascii=False),
            "labels": "\n".join(values["class_names"]),
        },
    )
    onnx.save(model, temporary)
