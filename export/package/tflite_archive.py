"""The zip archive behind the graph of a .tflite file.

A runtime reads the graph from the front and stops where it ends; a zip
reader starts at the back. So both find their own in one file. TFLite Metadata
names the labels in it; its readers take what is stored as it is, not deflated.
"""

import io
import json
import re
import zipfile

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
