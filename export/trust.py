"""Lets a runtime's crash end another process than this one."""

import hashlib
import pathlib
import subprocess

from kerastl.export.probe_file import run_probe

# More than the first run of any network takes; a damaged one may never end.
_SECONDS = 300
# SHA-256 of the files that were written here, or that a process survived.
_trusted = set()


def trust_file(path):
    """Takes a file that this process has just written for sound."""
    _trusted.add(_digest(path))


def require_survivable(path):
    """Loads and runs a file in a process of its own, once.

    The runtimes end the process, and raise nothing, where a damaged file
    breaks what they take for granted. Files of the same content are tried
    once, those that were written here not at all. A file that is refused in
    an orderly way is left to the caller, who gets the same refusal.

    Args:
        path: A .tflite or .onnx file.

    Raises:
        ValueError: If the process did not survive, or did not end.
    """
    digest = _digest(path)
    if digest in _trusted:
        return
    try:
        finished = run_probe(path, timeout=_SECONDS)
    except subprocess.TimeoutExpired as error:
        raise ValueError(
            f"The runtime does not come to an end with the file '{path}': "
            f"one image takes more than {_SECONDS} s. It is damaged; copy or "
            f"export it again. Received: path={str(path)!r}"
        ) from error
    if finished.returncode == 0:
        _trusted.add(digest)
    elif finished.returncode != 1:
        [*_, reason] = finished.stderr.strip().splitlines() or ["no reason"]
        raise ValueError(
            f"The runtime aborted with the file '{path}' (exit status "
            f"{finished.returncode}: {reason[:300]}). It cannot be read as "
            f"{pathlib.Path(path).suffix[1:]}: it is damaged; copy or export "
            f"it again. Received: path={str(path)!r}"
        )


def _digest(path):
    return hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()
