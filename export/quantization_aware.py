"""A model that trains with the rounding of its int8 file."""

import warnings
from typing import Literal

import keras

from kerastl.export.conversion.choose_images import choose_calibration
from kerastl.export.conversion.image_range import preprocesses_bytes
from kerastl.export.quantization import node_kinds
from kerastl.export.quantization.freeze import find_quantizers
from kerastl.export.quantization.freeze import float_layers
from kerastl.export.quantization.freeze import is_quantization_aware
from kerastl.export.quantization.placement import rounds_output
from kerastl.export.quantization.quantized_activation import FUSED
from kerastl.export.quantization.quantized_activation import ActivationQuantizer
from kerastl.export.quantization.quantized_activation import QuantizedActivation
from kerastl.export.quantization.quantized_activation import load_quantizers
from kerastl.export.quantization.quantized_activation import observing
from kerastl.export.runners.inference_model import check_shapes
from kerastl.export.runners.inference_model import is_augmentation
from kerastl.export.runners.inference_model import lower
from kerastl.export.runners.inference_model import one_to_one
from kerastl.export.runners.inference_model import plain_model
from kerastl.surgery import graph as graphs
from kerastl.surgery.layer_paths import UniqueNames
from kerastl.surgery.plain_weights import with_plain_weights
from kerastl.surgery.rebuild import config_of
from kerastl.surgery.rebuild import rebuild
from kerastl.types import Data

_SCHEMES = ("int8",)
_BATCH = 16
_PIXEL_MARGIN = 1 / 128


def quantization_aware(
    model: keras.Model,
    scheme: Literal["int8"] = "int8",
    calibration: Data | None = None,
    num_calibration: int = 200,
    name: str | None = None,
    per_channel: bool = True,
) -> keras.Model:
    """Makes a copy of a model that trains with the rounding of its file.

    Kernels and activations are rounded to 8 bits in the forward pass and the
    gradient passes through, so that training moves the weights to where
    rounding hurts least. Rounding is placed where an int8 file has it (the
    default 8-bit scheme of tensorflow-model-optimization, whose quantizers do
    it, and the same kind of rule for what that does not know). Fine-tune the
    result for a few epochs with a small learning rate; `to_tflite` and
    `to_onnx` then write it as int8 without a calibration set.

    The copy is a plain functional Keras 3 model, nested where `model` was,
    for `fit` and `kerastl.FineTuner`. It has the layers of `model` under
    their names, with their weights, and a `<name>_quantizer` behind each
    output that is rounded (with a number where a layer has that name
    already). `model` is not changed.

    BatchNormalization trains as it always does. Each filter of a convolution
    has a scale of its own, so folding a normalization into it changes the
    scales and not the integers.

    A layer whose integer form is not simulated stays in float in the model,
    with its output rounded, and is named in a warning. Whether it is in float
    in a file too depends on the format (TFLite has integer kernels for
    `Conv2DTranspose`, `Maximum` and `PReLU`); the notes of the report say it.

    Args:
        model: Trained functional or Sequential classifier, or a `FineTuner`,
            whose student is taken.
        scheme: "int8", the only one so far.
        calibration: Images to set the ranges of the activations from before
            any training, as in `to_tflite`. Without them the first training
            batch sets them.
        num_calibration: How many images to use at most.
        name: Name of the copy. Defaults to the name of `model`.
        per_channel: Whether each channel of a convolution has a scale of its
            own. With `False` a kernel has one, so that a kernel of few values
            (see `kerastl.callbacks.WeightClustering`) has as few integers in
            the file; only where the scale of a BatchNormalization is negative
            are they negated. It costs accuracy where channels differ much.

    Returns:
        A functional `keras.Model`, not compiled, with every layer trainable.

    Raises:
        ImportError: If tensorflow-model-optimization is missing.
        RuntimeError: If Keras does not run on TensorFlow.
        ValueError: If the model is quantization-aware already, has no graph,
            or is no classifier that could be exported.

    Example:

    ```python
    aware = kerastl.export.quantization_aware(model)
    aware.compile(
        keras.optimizers.Adam(1e-5), "sparse_categorical_crossentropy"
    )
    aware.fit(train, epochs=3)
    kerastl.export.to_tflite(aware, "model.tflite", evaluation=validation)
    ```

    Reference:
        Jacob et al., "Quantization and Training of Neural Networks for
        Efficient Integer-Arithmetic-Only Inference", CVPR 2018.
    """
    if scheme not in _SCHEMES:
        raise ValueError(
            f"`scheme` must be one of {_SCHEMES}. Received: scheme={scheme!r}"
        )
    model = with_plain_weights(require_quantizable(model, stacklevel=3))
    maker = _Maker(model, per_channel)
    aware = rebuild(model, clone=maker.clone, call=maker.call, name=name)
    if calibration is not None:
        images = choose_calibration(calibration, lower(model), num_calibration)
        _calibrate(aware, images)
    return aware


class _Maker:
    """The hooks of `rebuild` that put the quantizers in."""

    def __init__(self, model, per_channel):
        self._per_channel = per_channel
        self._names = UniqueNames(model)
        # id of a tensor -> the graph that it is made in.
        self._graphs = {
            id(node.outputs[0]): graph for graph, node in graphs.walk(model)
        }
        # ids of the tensors that hold images that were not rounded yet.
        self._raw = {
            id(t) for t in keras.tree.flatten(graphs.read_graph(model).inputs)
        }
        self._rounded = {}
        # id of a clone -> the layer in its place.
        self._activations = {}
        self._pixels = preprocesses_bytes(model) or any(
            tensor.dtype == "uint8" for tensor in model.inputs
        )
        # ids of tensors with pixels that were scaled or shifted.
        self._scaled = set()

    def clone(self, layer):
        quantized = node_kinds.quantized_class(layer)
        if quantized is None:
            return None
        return quantized.from_config(
            {**config_of(layer), "per_channel": self._per_channel}
        )

    def call(self, node, layer, *args, **kwargs):
        if is_augmentation(node) and id(node.inputs[0]) in self._raw:
            self._raw.add(id(node.outputs[0]))
            return layer(*args, **kwargs)
        args, kwargs = self._round_images(node, args, kwargs)
        activation = node_kinds.activation_name(node)
        kind = node_kinds.node_kind(node)
        if kind == node_kinds.AFFINE and id(node.inputs[0]) in (
            self._raw | self._scaled
        ):
            self._scaled.add(id(node.outputs[0]))
        if kind == node_kinds.ACTIVATION and activation not in (
            *FUSED,
            "softmax",
            None,
        ):
            # One that is called twice stays one layer.
            layer = self._activations.setdefault(
                id(layer), QuantizedActivation(activation, name=layer.name)
            )
        outputs = layer(*args, **kwargs)
        graph = self._graphs.get(id(node.outputs[0]))
        if (
            graph is None
            or is_augmentation(node)
            or len(node.outputs) != 1
            or not rounds_output(graph, node)
        ):
            return outputs
        suffix = f"_{node.call_index}" if node.call_index else ""
        return ActivationQuantizer(
            name=self._names.new(f"{node.operation.name}_quantizer{suffix}"),
            margin=(
                _PIXEL_MARGIN if id(node.outputs[0]) in self._scaled else 0.0
            ),
        )(outputs)

    def _round_images(self, node, args, kwargs):
        olds = [id(t) for t in node.inputs]
        if not any(old in self._raw for old in olds):
            return args, kwargs
        news = [
            value
            for value in keras.tree.flatten((args, kwargs))
            if isinstance(value, keras.KerasTensor)
        ]
        for old, new in zip(olds, news, strict=True):
            if old in self._raw and id(new) not in self._rounded:
                quantizer = ActivationQuantizer(
                    images=True,
                    pixels=self._pixels,
                    name=self._names.new("image_quantizer"),
                )
                self._rounded[id(new)] = (new, quantizer(new))

        def rounded(value):
            return self._rounded.get(id(value), (None, value))[1]

        return keras.tree.map_structure(rounded, (args, kwargs))


def _calibrate(model, images):
    quantizers = find_quantizers(model)
    model = one_to_one(model)
    with observing(quantizers):
        for start in range(0, len(images), _BATCH):
            model(images[start : start + _BATCH], training=False)


def require_quantizable(model, stacklevel=2):
    """Checks that a model can be trained with the rounding of its int8 file.

    Layers whose 8-bit form is not simulated are no reason to refuse it: they
    stay in float, and are named in a warning.

    Args:
        model: Functional or Sequential classifier, or a `FineTuner`, whose
            student is taken.
        stacklevel: Of the warning; 2 is the caller's line.

    Returns:
        The plain model.

    Raises:
        ImportError: If tensorflow-model-optimization is missing.
        RuntimeError: If Keras does not run on TensorFlow.
        ValueError: If the model is quantization-aware already, has no graph,
            or is no classifier that could be exported.

    Example:

    ```python
    require_quantizable(model)
    aware = kerastl.export.quantization_aware(model)
    ```
    """
    backend = keras.backend.backend()
    if backend != "tensorflow":
        raise RuntimeError(
            "Quantization-aware training runs on TensorFlow, whose "
            "fake-quantization the converters know. Start the process with "
            f"KERAS_BACKEND=tensorflow. Received: backend={backend!r}"
        )
    load_quantizers()
    model, _ = plain_model(model)
    check_shapes(model)
    if is_quantization_aware(model):
        raise ValueError(
            "The model is quantization-aware already. Train it on. "
            f"Received: model={model.name!r}"
        )
    floats = float_layers(model)
    if floats:
        warnings.warn(
            "These layers have no 8-bit form that training could follow. They "
            "stay in float in the model, and in the files of every format "
            "without an integer form of them, as the report of an export "
            f"tells: {', '.join(floats)}.",
            stacklevel=stacklevel,
        )
    return model
