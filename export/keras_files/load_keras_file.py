"""Loads a model file of Keras 3 or tf.keras 2, or says what is wrong."""

import json
import re
import zipfile

import h5py
import keras

from kerastl.arguments import checked_path
from kerastl.export.keras_files.load_legacy_h5 import load_legacy_h5
from kerastl.export.keras_files.unreadable import check_is_binary
from kerastl.export.keras_files.unreadable import check_is_file
from kerastl.export.keras_files.unreadable import corrupt
from kerastl.export.keras_files.unreadable import unreadable

_HDF5 = b"\x89HDF\r\n\x1a\n"
_ZIP = b"PK"
_MEMBERS = ("config.json", "metadata.json", "model.weights.h5")
_UNKNOWN = re.compile(
    r"(?:Could not locate (?:class|function)|Unknown \w+):? '([^']+)'"
)
_PASS_THE_MODEL = (
    "and pass the model instead of the file, or save a model of Keras's own "
    "layers"
)


def load_keras_file(path):
    """Loads a whole model from a `.keras` or `.h5` file, uncompiled.

    Args:
        path: The file, written by Keras 3 or (`.h5`) by tf.keras 2.

    Returns:
        A Keras 3 model.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the model cannot be loaded; the message names the
            cause, and calls the file corrupt only where it is.

    Example:

    ```python
    model = load_keras_file("model_from_2021.h5")
    ```
    """
    path = checked_path("path", path)
    check_is_file(path)
    check_is_binary(path, "keras")
    with open(path, "rb") as file:
        start = file.read(len(_HDF5))
    if start == _HDF5:
        return _load_hdf5(path)
    if start.startswith(_ZIP):
        return _load_zip(path)
    raise corrupt(path, "keras", "It starts neither like a zip nor like HDF5")


def _load_zip(path):
    if not zipfile.is_zipfile(path):
        raise corrupt(path, "keras", "The end of the zip archive is missing")
    try:
        with zipfile.ZipFile(path) as archive:
            missing = set(_MEMBERS) - set(archive.namelist())
    except (zipfile.BadZipFile, OSError) as error:
        raise corrupt(path, "keras", error) from error
    if missing:
        raise unreadable(
            path,
            "keras",
            f"it is a zip archive without {' and '.join(sorted(missing))}, "
            "which no `model.save` has written. Name a file of Keras",
        )
    _check_suffix(path, ".keras")
    return _load(path, _zip_damage)


def _load_hdf5(path):
    try:
        with h5py.File(path, "r") as file:
            has_model = "model_config" in file.attrs
            version = str(file.attrs.get("keras_version", ""))
    except OSError as error:
        raise corrupt(path, "keras", error) from error
    if not has_model:
        raise unreadable(
            path,
            "keras",
            "it holds weights only, no model. Build the architecture, load "
            "them with `kerastl.apps.load_weights_into(model, path)`, and "
            'save the whole with `model.save("model.keras")`',
        )
    if version.startswith("3"):
        _check_suffix(path, ".h5")
        return _load(path, _hdf5_damage)
    try:
        return load_legacy_h5(path)
    except Exception as error:
        if (damage := _hdf5_damage(path)) is not None:
            raise corrupt(path, "keras", damage) from error
        if isinstance(error, (ValueError, ImportError, MemoryError)):
            raise
        raise unreadable(path, "keras", _cause(error)) from error


def _check_suffix(path, suffix):
    if path.suffix != suffix:
        raise unreadable(
            path,
            "keras",
            f"by its content it is a {suffix} file. Rename it to "
            f"'{path.with_suffix(suffix).name}'",
        )


def _load(path, damage_of):
    try:
        return keras.saving.load_model(path, compile=False)
    except (ImportError, MemoryError):
        raise
    except Exception as error:
        if (damage := damage_of(path)) is not None:
            raise corrupt(path, "keras", damage) from error
        raise unreadable(path, "keras", _cause(error)) from error


def _zip_damage(path):
    """What is damaged in a `.keras` file, `None` if nothing is."""
    try:
        with zipfile.ZipFile(path) as archive:
            bad = archive.testzip()
            if bad is not None:
                return f"The checksum of {bad} is wrong"
            json.loads(archive.read("config.json"))
            with archive.open("model.weights.h5") as file, h5py.File(file):
                return None
    # An archive that is damaged fails in many ways.
    except Exception as error:
        return error


def _hdf5_damage(path):
    """What is damaged in an HDF5 file, `None` if nothing is."""

    def read(_, item):
        dict(item.attrs)
        if isinstance(item, h5py.Dataset):
            item[()]

    try:
        with h5py.File(path, "r") as file:
            json.loads(file.attrs["model_config"])
            file.visititems(read)
    except Exception as error:
        return error


def _cause(error):
    """Why Keras does not make a model of a sound file, and the way out."""
    text = str(error).strip()
    if "safe_mode" in text:
        return (
            "it holds Python code (a Lambda), which is not run unasked. If "
            "you trust the file, load it with `keras.saving.load_model(path, "
            f"safe_mode=False)` {_PASS_THE_MODEL}"
        )
    if unknown := _UNKNOWN.search(text):
        return (
            f"it has a layer or function {unknown.group(1)!r} that is not "
            "known here. Import the code that registers it with "
            "`keras.saving.register_keras_serializable`, load the file with "
            f"`keras.saving.load_model(path)` {_PASS_THE_MODEL}"
        )
    # Keras wraps its errors, with a whole config in each.
    reason = text.rsplit("Exception encountered:", 1)[-1].strip().rstrip(".")
    return (
        f"Keras {keras.__version__} does not rebuild its model: "
        f"{reason[:500]}. The file is sound: load it with the code and the "
        f"Keras that it was written with {_PASS_THE_MODEL}"
    )
