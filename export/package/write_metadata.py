"""Puts labels, preprocessing and figures into an exported file."""

from __future__ import annotations

import dataclasses
import json
import pathlib
from typing import TYPE_CHECKING

from kerastl.export.package.tflite_archive import join_archive
from kerastl.export.package.tflite_archive import split_archive
from kerastl.export.package.tflite_metadata import describe_images
from kerastl.export.package.tflite_metadata import set_metadata
from kerastl.export.runner import load
from kerastl.export.utils.atomic_write import staged_file
from kerastl.export.utils.third_party import trust_file
from kerastl.types import PathLike

if TYPE_CHECKING:
    from kerastl.export.package.metadata import Metadata

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
    path = pathlib.Path(path)
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
