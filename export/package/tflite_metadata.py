"""What Android and iOS read in a .tflite file: TFLite Metadata.

The format is a flatbuffer in the flatbuffer, after the schema that TensorFlow
and MediaPipe publish (metadata_schema.fbs, identifier "M001"). Their own
writers ask for packages that cannot be installed beside TensorFlow.
"""

import io
import json
import re
import zipfile

import numpy as np

from kerastl.export.utils.model_bytes import model_bytes
from kerastl.export.utils.third_party import require

_FIELD = b"TFLITE_METADATA"
_IDENTIFIER = b"M001"
_PARSER = "1.0.0"
# Of the schema's unions and enumerations.
_FEATURES, _IMAGE, _NORMALIZATION = 1, 2, 1
_RGB, _AXIS_LABELS = 1, 2


def describe_images(name, pixel_range, labelled):
    """Returns the metadata of a classifier of RGB images, as a flatbuffer.

    Args:
        name: Name of the model.
        pixel_range: The numbers that black and white are for the network.
        labelled: Whether the archive's labels name its outputs.

    Returns:
        Bytes for `set_metadata`.
    """
    flatbuffers = require("flatbuffers", "flatbuffers")
    builder = flatbuffers.Builder()
    low, high = pixel_range
    # (pixel - mean) / deviation, with pixels from 0 to 255.
    deviation = 255 / (high - low)
    normalization = _table(
        builder,
        *(
            builder.CreateNumpyVector(np.array([value], "float32"))
            for value in (-low * deviation, deviation)
        ),
    )
    unit = _table(builder, np.uint8(_NORMALIZATION), normalization)
    image = np.uint8(_IMAGE), _table(builder, np.uint8(_RGB))
    features = np.uint8(_FEATURES), _table(builder)
    labels = None
    if labelled:
        file = builder.CreateString(LABELS)
        file = _table(builder, file, None, np.uint8(_AXIS_LABELS))
        labels = _list(builder, file)
    source = _tensor(builder, "image", image, units=_list(builder, unit))
    scores = _tensor(builder, "score", features, files=labels)
    graph = _table(
        builder,
        None,
        None,
        _list(builder, source),
        _list(builder, scores),
    )
    parser = builder.CreateString(_PARSER)
    name, graphs = builder.CreateString(name), _list(builder, graph)
    model = _table(builder, name, None, None, graphs, *[None] * 3, parser)
    builder.Finish(model, _IDENTIFIER)
    return bytes(builder.Output())


def set_metadata(graph, metadata):
    """Returns the bytes of a .tflite graph with other metadata.

    Args:
        graph: Bytes of the graph, without an archive.
        metadata: Bytes of `describe_images`, or `None` for none.

    Returns:
        Bytes of a graph that computes the same; `graph` itself where there is
        nothing to change.
    """
    schema = require("ai_edge_litert.schema_py_generated", "ai-edge-litert")
    model = schema.ModelT.InitFromPackedBuf(graph, 0)
    entries = model.metadata or []
    [entry] = [each for each in entries if each.name == _FIELD] or [None]
    if metadata is None and entry is None:
        return graph
    if metadata is None:
        model.metadata = [each for each in entries if each is not entry]
        if entry.buffer == len(model.buffers) - 1:
            model.buffers.pop()
        else:
            model.buffers[entry.buffer] = schema.BufferT()
    else:
        if entry is None:
            entry = schema.MetadataT(_FIELD, len(model.buffers))
            model.buffers.append(schema.BufferT())
            model.metadata = [*entries, entry]
        content = np.frombuffer(metadata, "uint8")
        model.buffers[entry.buffer].data = content
    return model_bytes(model, len(graph))


def _tensor(builder, name, content, units=None, files=None):
    name, content = builder.CreateString(name), _table(builder, *content)
    return _table(builder, name, None, None, content, units, None, files)


def _table(builder, *fields):
    """Writes a table: a place in the buffer or a byte for each field."""
    builder.StartObject(len(fields))
    for slot, value in enumerate(fields):
        if isinstance(value, np.uint8):
            builder.PrependUint8Slot(slot, int(value), 0)
        elif value is not None:
            builder.PrependUOffsetTRelativeSlot(slot, value, 0)
    return builder.EndObject()


def _list(builder, table):
    builder.StartVector(4, 1, 4)
    builder.PrependUOffsetTRelative(table)
    return builder.EndVector()


METADATA = "metadata.json"
LABELS = "labels.txt"
# One date for all, so that equal content gives equal bytes.
_DATE = (1980, 1, 1, 0, 0, 0)
# A hundred times what a thousand classes take: more is not ours, and may
# unfold to any size.
_LARGEST = 4 * 1024 * 1024
# The archive names the file twice, in two kinds of header. Damage to one
# leaves the other, and so shows.
_TRACE = re.compile(
    rb"PK\x03\x04.{26}metadata\.json|PK\x01\x02.{42}metadata\.json", re.DOTALL
)


def split_archive(content):
    """Splits the bytes of a .tflite file into graph and archive.

    Of the archive only what `join_archive` puts there is read.

    Returns:
        The graph, and a dictionary of name to bytes: metadata and labels,
        empty if there are none.

    Raises:
        ValueError: If there are, but damaged, encrypted or too large.
    """
    try:
        archive = zipfile.ZipFile(io.BytesIO(content))
    except Exception as error:
        _require_no_trace(content, error)
        return content, {}
    with archive:
        entries = {entry.filename: entry for entry in archive.infolist()}
        if METADATA not in entries:
            _require_no_trace(content, f"it has no {METADATA}")
        files = {
            name: _read(archive, entries[name])
            for name in (METADATA, LABELS)
            if name in entries
        }
        starts = [entry.header_offset for entry in archive.infolist()]
    return content[: min(starts, default=archive.start_dir)], files


def _require_no_trace(content, problem):
    if _TRACE.search(content):
        raise ValueError(f"the archive behind the graph is damaged: {problem}")


def _read(archive, entry):
    if entry.flag_bits & 1:
        raise ValueError(f"{entry.filename} is encrypted")
    try:
        with archive.open(entry) as file:
            content = file.read(_LARGEST + 1)
    except Exception as error:
        raise ValueError(
            f"the archive behind the graph is damaged: {error}"
        ) from error
    if len(content) > _LARGEST:
        raise ValueError(f"{entry.filename} has more than {_LARGEST:,} bytes")
    return content


def join_archive(graph, values, labels):
    """Returns a .tflite file with metadata and labels behind its graph.

    Args:
        graph: Bytes of the graph, without an archive.
        values: Dictionary for `metadata.json`.
        labels: Names for `labels.txt`, one a line.
    """
    buffer = io.BytesIO()
    buffer.write(graph)
    with zipfile.ZipFile(buffer, "a") as archive:
        for name, text in (
            (METADATA, json.dumps(values, indent=2, ensure_ascii=False)),
            (LABELS, "\n".join(labels)),
        ):
            archive.writestr(zipfile.ZipInfo(name, _DATE), text + "\n")
    return buffer.getvalue()
