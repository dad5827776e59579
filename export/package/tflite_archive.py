"""The zip archive behind the graph of a .tflite file.

A runtime reads the graph from the front and stops where it ends; a zip
reader starts at the back. So both find their own in one file.
"""

import io
import json
import zipfile

METADATA = "metadata.json"
LABELS = "labels.txt"
# One date for all, so that equal content gives equal bytes.
_DATE = (1980, 1, 1, 0, 0, 0)


def split_archive(content):
    """Splits the bytes of a .tflite file into graph and archive.

    Returns:
        The graph, and a dictionary of name to bytes: the files of the
        archive, empty if there is none.
    """
    buffer = io.BytesIO(content)
    try:
        with zipfile.ZipFile(buffer) as archive:
            entries = archive.infolist()
            files = {entry.filename: archive.read(entry) for entry in entries}
            starts = [entry.header_offset for entry in entries]
    except zipfile.BadZipFile:
        return content, {}
    return content[: min(starts, default=archive.start_dir)], files


def join_archive(graph, values, labels):
    """Returns a .tflite file with metadata and labels behind its graph.

    Args:
        graph: Bytes of the graph, without an archive.
        values: Dictionary for `metadata.json`.
        labels: Names for `labels.txt`, one a line.
    """
    buffer = io.BytesIO()
    buffer.write(graph)
    with zipfile.ZipFile(buffer, "a", zipfile.ZIP_DEFLATED) as archive:
        for name, text in (
            (METADATA, json.dumps(values, indent=2, ensure_ascii=False)),
            (LABELS, "\n".join(labels)),
        ):
            entry = zipfile.ZipInfo(name, _DATE)
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, text + "\n")
    return buffer.getvalue()
