"""Whole models saved by tf.keras 2."""

import json

import h5py
import keras

from kerastl.arguments import checked_path
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
    config = _read_config(checked_path("path", path))
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


_MODELS = ("Functional", "Model", "Sequential")

# Layers whose code is in the file's process, not in the file.
_OPERATION_LAYERS = ("TFOpLambda", "SlicingOpLambda", "TensorFlowOpLayer")

# Arguments that are gone, with the values that mean "not used". They can be
# dropped then; with any other value the layer did something else.
_GONE = {
    "ragged": (False, None),
    "time_major": (False,),
    "renorm": (False,),
    "renorm_clipping": (None,),
    "renorm_momentum": None,
    "virtual_batch_size": (None,),
    "adjustment": (None,),
    "fused": None,
    "dynamic": (False,),
    "experimental_autocast": None,
    "autocast": None,
}

# tf.keras 2 wrote what these layers inherited from Conv and never used.
_GONE_FROM = {
    "DepthwiseConv2D": {"groups": (1,)},
    "SeparableConv2D": {
        "groups": (1,),
        "kernel_initializer": None,
        "kernel_regularizer": None,
        "kernel_constraint": None,
    },
    "Conv2DTranspose": {"groups": (1,)},
    "SpatialDropout2D": {"trainable": None, "noise_shape": None},
}

_RENAMED_LAYERS = {
    "BatchNormalizationV1": "BatchNormalization",
    "BatchNormalizationV2": "BatchNormalization",
    "SyncBatchNormalization": "BatchNormalization",
}


def repair_legacy_config(text):
    """Repairs the `model_config` attribute of a tf.keras 2 file.

    Args:
        text: The attribute: JSON as `str` or `bytes`.

    Returns:
        A dict with `class_name` ("Functional" or "Sequential") and `config`.

    Raises:
        ValueError: If the model is of another kind, or a layer used
            something that Keras 3 cannot express.
    """
    model = json.loads(text)
    if model.get("class_name") not in _MODELS:
        raise ValueError(
            "Only Functional and Sequential models can be loaded. Rebuild "
            "the model in code and use `kerastl.apps.load_weights_into`. "
            f"Received: class_name={model.get('class_name')!r}"
        )
    return _repair_model(model)


def _repair_model(model):
    config = model["config"]
    if isinstance(config, list):
        config = {"name": "sequential", "layers": config}
    name = model["class_name"]
    layers = [_repair_layer(layer) for layer in config["layers"]]
    repaired = {**config, "layers": layers}
    repaired.pop("build_input_shape", None)
    for ends in ("input_layers", "output_layers"):
        # One tensor in a list would make the model take or give a list.
        if len(config.get(ends, ())) == 1:
            repaired[ends] = config[ends][0]
    shape = config.get("build_input_shape")
    is_sequential = name == "Sequential"
    if is_sequential and layers[0]["class_name"] != "InputLayer":
        shape = _batch_shape(config["layers"][0]["config"]) or shape
        if shape:
            layers.insert(0, _input_layer(shape))
    return {
        **model,
        "class_name": "Sequential" if is_sequential else "Functional",
        "config": repaired,
    }


def _input_layer(batch_shape):
    return {"class_name": "InputLayer", "config": {"batch_shape": batch_shape}}


def _batch_shape(config):
    return config.get("batch_input_shape") or config.get("batch_shape")


def _repair_layer(layer):
    kind = layer["class_name"]
    if kind in _MODELS:
        return _repair_model(layer)
    name = layer["config"].get("name")
    if kind in _OPERATION_LAYERS or kind == "Lambda":
        raise ValueError(
            f"Layer '{name}' is a {kind}: Python code that is not in the "
            "file. Rebuild the model in code with a Keras layer in its place "
            "and use `kerastl.apps.load_weights_into`. "
            f"Received: class_name={kind!r}"
        )
    config = {
        key: _repair_value(value) for key, value in layer["config"].items()
    }
    _drop_gone(kind, name, config)
    if kind == "InputLayer":
        config["batch_shape"] = config.pop("batch_input_shape", None) or (
            config.get("batch_shape")
        )
    else:
        config.pop("batch_input_shape", None)
    if isinstance(config.get("axis"), list) and len(config["axis"]) == 1:
        config["axis"] = config["axis"][0]
    if kind == "LeakyReLU" and "alpha" in config:
        config["negative_slope"] = config.pop("alpha")
    if kind == "SyncBatchNormalization":
        config["synchronized"] = True
    wrapped = config.get("layer")
    if isinstance(wrapped, dict) and "class_name" in wrapped:
        config["layer"] = _repair_layer(wrapped)
    return {
        **layer,
        "class_name": _RENAMED_LAYERS.get(kind, kind),
        "config": config,
    }


def _drop_gone(kind, name, config):
    gone = {**_GONE, **_GONE_FROM.get(kind, {})}
    for key, neutral in gone.items():
        if key not in config:
            continue
        value = config.pop(key)
        if neutral is not None and value not in neutral:
            raise ValueError(
                f"Layer '{name}' ({kind}) uses `{key}`, which Keras 3 does "
                "not have. Rebuild the model in code and use "
                f"`kerastl.apps.load_weights_into`. Received: {key}={value}"
            )


def _repair_value(value):
    """Repairs policies and initializers inside the config of a layer."""
    if not isinstance(value, dict) or "class_name" not in value:
        return value
    kind, config = value["class_name"], value.get("config")
    if kind in ("Policy", "PolicyV1"):
        return config["name"]
    # Initializers of TF 1 carry a dtype that Keras 3 refuses.
    if isinstance(config, dict) and "seed" in config and "dtype" in config:
        config = {k: v for k, v in config.items() if k != "dtype"}
    elif kind in ("Zeros", "Ones", "Constant") and isinstance(config, dict):
        config = {k: v for k, v in config.items() if k != "dtype"}
    return {**value, "config": config}
