"""Whole models saved by tf.keras 2."""

from pathlib import Path

import h5py
import keras

from kerastl.export.keras_files.legacy_config import repair_legacy_config
from kerastl.export.keras_files.load_weights_into import load_weights_into
from kerastl.types import PathLike


def load_legacy_h5(path: PathLike) -> keras.Model:
    """Loads a whole-model `.h5` file written by tf.keras 2.

    Keras 3 refuses many of these files because the config of a layer has an
    argument that is gone. Here the config is repaired first, wherever that
    changes nothing, and then the weights are loaded with every shape checked.
    The model comes uncompiled.

    Args:
        path: An `.h5` file with a Functional or Sequential model.

    Returns:
        A Keras 3 model.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file cannot be read, holds no model, or the model
            has something that Keras 3 cannot express; the message names the
            layer.

    Example:

    ```python
    model = kerastl.apps.load_legacy_h5("model_from_2021.h5")
    model.save("model.keras")
    ```
    """
    config = _read_config(Path(path))
    repaired = repair_legacy_config(config)
    if repaired["class_name"] == "Sequential":
        builder = keras.Sequential.from_config
    else:
        builder = keras.Model.from_config
    try:
        model = builder(repaired["config"])
    except (TypeError, ValueError, AttributeError, KeyError) as error:
        raise ValueError(
            "The model in the file cannot be rebuilt in Keras 3: a layer has "
            "a config that it does not understand. Load it with tf_keras and "
            "save its weights, or rebuild the architecture and use "
            "`kerastl.apps.load_weights_into`. "
            f"Received: path={str(path)!r} ({error})"
        ) from error
    if not model.built:
        raise ValueError(
            "The Sequential model in the file was saved without its input "
            "shape. Rebuild it with `keras.Input` as its first layer and use "
            "`kerastl.apps.load_weights_into`. "
            f"Received: path={str(path)!r}"
        )
    return load_weights_into(model, path)


def _read_config(path):
    if not path.is_file():
        raise FileNotFoundError(
            "The model file does not exist. Expected an `.h5` file. "
            f"Received: path={str(path)!r}"
        )
    try:
        with h5py.File(path, "r") as file:
            config = file.attrs.get("model_config")
    except OSError as error:
        raise ValueError(
            "The model file cannot be read: it is damaged, cut short or not "
            f"HDF5. Received: path={str(path)!r} ({error})"
        ) from error
    if config is None:
        raise ValueError(
            "The file has no model in it, perhaps only weights. Build the "
            "architecture and use `kerastl.apps.load_weights_into`. "
            f"Received: path={str(path)!r}"
        )
    return config
