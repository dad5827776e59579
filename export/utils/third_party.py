"""Other people's code: imported or asked for, kept quiet, and kept apart.

A runtime that a damaged file takes down ends another process than this one.
"""

import contextlib
import hashlib
import importlib
import io
import json
import logging
import os
import pathlib
import subprocess
import sys
import tempfile
import warnings


def require(module, package):
    """Returns the imported `module`.

    Args:
        module: Name to import, such as "ai_edge_litert.interpreter".
        package: Name to install, such as "ai-edge-litert".

    Raises:
        ImportError: If it is missing, with the line that installs it.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ImportError(
            f"This step needs the package '{package}', which could not be "
            f"imported ({error}). Install it with: pip install {package}"
        ) from error


# Enough for the last diagnostics of a converter, not for its whole dump.
_NOTE_CHARACTERS = 4000


@contextlib.contextmanager
def quiet_console():
    """Holds back what is printed, logged or warned in the block.

    Converters write to stderr from C++ as well as from Python, so the file
    descriptor itself is redirected. If the block raises, what was held back
    there is added to the exception as a note: nothing is lost when it is
    needed.

    Example:

    ```python
    with quiet_console():
        converter.convert()
    ```
    """
    disabled = logging.root.manager.disable
    logging.disable(max(disabled, logging.WARNING))
    try:
        with (
            _held_stderr(),
            contextlib.redirect_stdout(io.StringIO()),
            warnings.catch_warnings(),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)


@contextlib.contextmanager
def _held_stderr():
    try:
        saved = os.dup(2)
    except OSError:  # a process started without a stderr has no chatter
        yield
        return
    with tempfile.TemporaryFile() as held:
        sys.stderr.flush()
        os.dup2(held.fileno(), 2)
        try:
            yield
        except Exception as error:
            held.seek(0)
            text = held.read().decode(errors="replace").strip()
            if text:
                error.add_note(text[-_NOTE_CHARACTERS:])
            raise
        finally:
            sys.stderr.flush()
            os.dup2(saved, 2)
            os.close(saved)


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


_SCRIPT = pathlib.Path(__file__).with_name("load_once.py")


def run_probe(path, threads=1, timeout=None):
    """Runs the probe, and returns the finished `subprocess` process.

    Its `returncode` is 1 after a Python exception, and neither 0 nor 1 if
    the runtime took the process down.
    """
    return subprocess.run(
        [sys.executable, str(_SCRIPT), str(path), str(threads)],
        capture_output=True,
        text=True,
        errors="replace",
        timeout=timeout,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
    )


def probe_file(path, threads=1):
    """Loads a file and runs it once in a process of its own.

    Args:
        path: A .keras, .tflite or .onnx file.
        threads: CPU threads; Keras itself ignores it.

    Returns:
        Dictionary of `load_ms`, `first_ms` (the first image, which may
        compile or pack weights), `memory_bytes` (the peak, less what the
        bare runtime takes; `None` where the system does not tell) and
        `peak_bytes` (the whole process).

    Raises:
        RuntimeError: If the process fails; with what it said last.
    """
    finished = run_probe(path, threads)
    if finished.returncode != 0:
        [*_, reason] = finished.stderr.strip().splitlines() or ["no reason"]
        raise RuntimeError(
            f"The file '{path}' could not be loaded in a process of its own: "
            f"{reason[:500]}. Received: path={str(path)!r}"
        )
    found = json.loads(finished.stdout.splitlines()[-1])
    baseline = found.pop("baseline_bytes")
    peak = found["peak_bytes"]
    known = baseline is not None and peak is not None
    return {**found, "memory_bytes": max(peak - baseline, 0) if known else None}
