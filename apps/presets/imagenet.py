"""What networks of ImageNet take, and the names that they tell apart."""

import pathlib

import keras
import numpy as np

LAYER_NAME = "rgb_preprocessing"

_MEAN = np.array([0.485, 0.456, 0.406])
_STD = np.array([0.229, 0.224, 0.225])
_CAFFE_MEAN = np.array([123.68, 116.779, 103.939])

# Kind -> what it does, for the table of presets.
PREPROCESSING = {
    "tf": "scaled to -1..1",
    "torch": "ImageNet mean and deviation per channel",
    "caffe": "ImageNet mean subtracted, first kernel turned from BGR to RGB",
    "builtin": "inside the keras.applications network",
    "efficientnet": "inside the keras.applications network",
}

_BGR_KERNELS = ("conv1_conv", "block1_conv1")


def preprocess(kind, images):
    """Applies the preprocessing of one kind to the input of a graph."""
    if kind == "tf":
        scale, offset = 1 / 127.5, -1.0
    elif kind == "torch":
        scale, offset = (1 / (255 * _STD)).tolist(), (-_MEAN / _STD).tolist()
    elif kind == "caffe":
        scale, offset = [1.0, 1.0, 1.0], (-_CAFFE_MEAN).tolist()
    else:
        return images
    return keras.layers.Rescaling(scale, offset, name=LAYER_NAME)(images)


def adapt_weights(kind, source, layer, arrays):
    """Converts the weights of one layer to this package's preprocessing."""
    if kind == "caffe" and layer in _BGR_KERNELS:
        is_rgb = LAYER_NAME in source.layer_names
        return arrays if is_rgb else _flip(arrays)
    if kind == "efficientnet" and layer.startswith("normalization"):
        return _divide_by_root_deviation(source, arrays)
    return arrays


def _flip(arrays):
    kernel, *bias = arrays
    return [np.ascontiguousarray(kernel[:, :, ::-1, :]), *bias]


def _divide_by_root_deviation(source, arrays):
    """Folds EfficientNet's second Rescaling into its Normalization.

    The files of `keras.applications` hold the deviations where the layer
    expects variances; with `weights="imagenet"`, and only then, the builder
    adds a second division by the root of the deviation. Multiplying the
    stored value by the deviation does the same, and keeps the graph the same
    for every kind of weights.
    """
    mean, variance, *count = arrays
    rescalings = [
        name for name in source.layer_names if name.startswith("rescaling")
    ]
    holds_deviations = np.allclose(variance, _STD, rtol=0.02)
    if len(rescalings) > 1 or (holds_deviations and not source.keyed):
        variance = variance * _STD.astype(variance.dtype)
    return [mean, variance, *count]


_FILE = pathlib.Path(__file__).with_name("imagenet_classes.txt")


def imagenet_classes():
    """Returns the ImageNet classes in their order.

    The order is that of ILSVRC 2012 as `keras.applications` has it: sorted by
    id. The ids are synset offsets of WordNet 3.0, the names the first of each
    synset; a few names occur twice.

    Returns:
        A dict from WordNet id to name.

    Example:

    ```python
    imagenet_classes()["n01440764"]  # 'tench'
    ```
    """
    lines = _FILE.read_text(encoding="utf-8").splitlines()
    return dict(line.split(" ", 1) for line in lines)
