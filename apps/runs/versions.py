"""What a run was made with."""

import importlib.metadata
import platform

import keras

_PACKAGES = (
    "keras",
    "tensorflow",
    "ai-edge-litert",
    "onnx",
    "onnxruntime",
    "tf2onnx",
    "numpy",
)


def versions():
    """Returns a dict of name to version, the backend included."""
    import kerastl

    found = {
        "kerastl": kerastl.__version__,
        "python": platform.python_version(),
    }
    for package in _PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = "not installed"
    return {**found, "backend": keras.backend.backend()}
