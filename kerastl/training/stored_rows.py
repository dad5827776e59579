"""Arrays that come in batches, kept in memory or on disk."""

import numpy as np


def stored_rows(batches, folder=None):
    """Puts the rows of all batches together.

    Args:
        batches: Iterable of pairs: a list of arrays of one row an example,
            which may be large, and one small array or `None`.
        folder: `pathlib.Path` of the folder for the large arrays, in files
            `features_0.npy` and so on, that are opened as memory maps. `None`
            keeps them in memory.

    Returns:
        A list of the large arrays, and the small one or `None`.

    Raises:
        ValueError: If there is no batch.
    """
    rows, rest = (
        _in_memory(batches) if folder is None else _on_disk(batches, folder)
    )
    if not rest:
        raise ValueError(
            "The data has no batch, so there is nothing to store. A generator "
            "that has been read once is empty: pass arrays or a dataset. "
            "Received: 0 batches"
        )
    return rows, None if rest[0] is None else np.concatenate(rest)


def _in_memory(batches):
    outputs, rest = [], []
    for batch, more in batches:
        outputs.append(batch)
        rest.append(more)
    return [np.concatenate(part) for part in zip(*outputs, strict=True)], rest


def _on_disk(batches, folder):
    folder.mkdir(parents=True, exist_ok=True)
    writers, rest = [], []
    try:
        for outputs, more in batches:
            outputs = [_known_to_numpy(output) for output in outputs]
            if not writers:
                writers = [
                    _Writer(folder / f"features_{i}.npy", output)
                    for i, output in enumerate(outputs)
                ]
            for writer, output in zip(writers, outputs, strict=True):
                writer.append(output)
            rest.append(more)
        return [writer.finish() for writer in writers], rest
    finally:
        for writer in writers:
            writer.close()


def _known_to_numpy(output):
    # A file would give bfloat16 back as bytes; float32 holds it exactly.
    return output if output.dtype.isbuiltin == 1 else output.astype("float32")


class _Writer:
    """Writes an `.npy` file of as many rows as will come.

    NumPy's headers leave room for a first axis of any length, so the one
    written at the end is as long as the one at the start.
    """

    def __init__(self, path, example):
        self.path = path
        self.example = example
        self.count = 0
        self.part = path.with_suffix(".part")
        self.file = open(self.part, "wb")
        self.header = self._write_header()

    def append(self, output):
        self.count += len(output)
        self.file.write(np.ascontiguousarray(output).tobytes())

    def finish(self):
        """Moves the file into its place and opens it as a memory map."""
        self.file.seek(0)
        if self._write_header() != self.header:
            raise RuntimeError(
                "The header of the features grew over the first of them. "
                f"Received: path={str(self.path)!r}"
            )
        self.file.close()
        self.part.replace(self.path)
        return np.load(self.path, mmap_mode="r")

    def close(self):
        self.file.close()
        self.part.unlink(missing_ok=True)

    def _write_header(self):
        example = self.example
        np.lib.format.write_array_header_1_0(
            self.file,
            {
                "shape": (self.count, *example.shape[1:]),
                "fortran_order": False,
                "descr": np.lib.format.dtype_to_descr(example.dtype),
            },
        )
        return self.file.tell()
