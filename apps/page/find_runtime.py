"""The runtime of the page: ONNX Runtime Web, out of its npm package.

It is not part of kerastl: 33 MB as npm ships it, of which the page takes
two files, 3.7 MB when packed. LiteRT.js is a little smaller (2.8 MB), but its
tensors are float32, int32 and uint8, so that it takes none of our int8 files,
and it loads its parts by address, which a page opened from a file cannot.
"""

import dataclasses
import os
import pathlib
import shutil
import subprocess
import tarfile
import tempfile

from kerastl.arguments import checked_path
from kerastl.export.utils.atomic_write import make_folder
from kerastl.export.utils.atomic_write import staged_file

VERSION = "1.30.0"
_PACKAGE = f"onnxruntime-web@{VERSION}"
_SCRIPT = "ort.wasm.bundle.min.mjs"
_WASM = "ort-wasm-simd-threaded.wasm"
# Where the files lie: below the folder itself, of an installed package, of an
# unpacked archive, of a project.
_PLACES = (".", "dist", "package/dist", "node_modules/onnxruntime-web/dist")
_PATIENCE = 600


@dataclasses.dataclass(frozen=True)
class Runtime:
    """The two files of ONNX Runtime Web that a page needs.

    Attributes:
        script: The module.
        wasm: Its WebAssembly.
        version: As npm has it, "" where the folder does not tell.
    """

    script: bytes
    wasm: bytes
    version: str


def find_runtime(folder=None):
    """Returns the runtime from a folder, or fetches it by npm once.

    Args:
        folder: Folder of the npm package onnxruntime-web, or one that has it
            in `node_modules`. `None` looks where it was put before, and
            calls `npm pack` if it was not.

    Returns:
        A `Runtime`.

    Raises:
        FileNotFoundError: It is not in the folder, or cannot be fetched. The
            message says how to get it.

    Example:

    ```python
    runtime = find_runtime("node_modules/onnxruntime-web")
    ```
    """
    if folder is not None:
        found = _read(checked_path("runtime", folder))
        if found is None:
            raise FileNotFoundError(
                "The folder does not hold the npm package onnxruntime-web: "
                f"expected {_SCRIPT} and {_WASM} in it or in its dist folder. "
                f"Received: runtime={str(folder)!r}"
            )
        return found
    place = _cache()
    found = _read(place)
    if found is None:
        _fetch(place)
        found = _read(place)
    return found


def has_runtime() -> bool:
    """Whether the runtime is here already, so that nothing is fetched."""
    return _read(_cache()) is not None


def _cache():
    base = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    return pathlib.Path(base, "kerastl", f"onnxruntime-web-{VERSION}")


def _read(folder):
    for place in _PLACES:
        script, wasm = (folder / place / name for name in (_SCRIPT, _WASM))
        if script.is_file() and wasm.is_file():
            script = script.read_bytes()
            return Runtime(script, wasm.read_bytes(), _version(script))
    return None


def _version(script):
    """The version in the comment that the module begins with."""
    words = script[:200].decode("utf-8", "replace").split()
    numbers = [word[1:] for word in words if word[:1] == "v"]
    return numbers[0] if numbers else ""


def _fetch(place):
    npm = shutil.which("npm")
    if npm is None:
        raise _unreachable("npm, which comes with Node.js, is not installed")
    with tempfile.TemporaryDirectory() as folder:
        try:
            finished = subprocess.run(
                [npm, "pack", _PACKAGE, "--silent"],
                cwd=folder,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=_PATIENCE,
            )
        except subprocess.TimeoutExpired:
            raise _unreachable("npm took more than ten minutes") from None
        archives = list(pathlib.Path(folder).glob("*.tgz"))
        if finished.returncode or not archives:
            said = " ".join(finished.stderr.split())[:300]
            raise _unreachable(f"npm said: {said}")
        make_folder(place)
        with tarfile.open(archives[0]) as archive:
            for name in (_SCRIPT, _WASM):
                content = archive.extractfile(f"package/dist/{name}").read()
                path = place / name
                with staged_file(path, path.suffix, overwrite=True) as part:
                    part.write_bytes(content)


def _unreachable(reason):
    return FileNotFoundError(
        "The page needs ONNX Runtime Web, which could not be fetched: "
        f"{reason}. With a connection and Node.js the same command fetches "
        f"it; or run `npm pack {_PACKAGE}` on another machine, unpack the "
        "file, and name its folder with --runtime. Received: runtime=None"
    )
