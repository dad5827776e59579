"""Rounding of activations in training, as an int8 file stores them."""

import contextlib
import os

import keras
import numpy as np
from keras import ops

from kerastl.export.utils.third_party import require

_VARIABLE = "TF_USE_LEGACY_KERAS"


def load_quantizers():
    """Returns the module of tensorflow-model-optimization's quantizers.

    Importing that package sets an environment variable, and if `tf.keras` was
    not used before, turns it into Keras 2 for the whole process. So `tf.keras`
    is resolved first, and the environment is put back.

    Raises:
        ImportError: If the package, or the tf_keras that it needs, is missing.
    """
    import tensorflow as tf

    # `tf.keras` is loaded when it is first touched, and stays what it then is.
    tf.keras.layers  # noqa: B018
    before = os.environ.get(_VARIABLE)
    try:
        package = require(
            "tensorflow_model_optimization", "tensorflow-model-optimization"
        )
    finally:
        if before is None:
            os.environ.pop(_VARIABLE, None)
        else:
            os.environ[_VARIABLE] = before
    return package.quantization.keras.quantizers


_LARGEST_PIXEL = 255.0
# With less, to take images for bytes would cost a decibel.
_BRIGHT = 0.9 * _LARGEST_PIXEL
# The moving average of tensorflow-model-optimization.
_SLOWEST = 0.001
# Until then the last quarter of the batches counts.
_WARM_UP = 4.0


@keras.saving.register_keras_serializable(package="kerastl")
class ActivationQuantizer(keras.layers.Layer):
    """Simulates 8-bit activations with one scale for the whole tensor.

    In training it follows the range of what flows through: the numerics are
    tensorflow-model-optimization's `MovingAverageQuantizer`, and for images
    `AllValuesQuantizer`. Its average moves by 1/1000 a batch, and would not
    arrive in a short fine-tune, so it is warmed up: the first batch sets the
    range, and the n-th moves it by 4 / (n + 4) while that is more. Calibration
    images (see `observing`) set it to all that they hold, as a converter does,
    and each counts as a batch: training moves it slowly on from there.

    A quantizer that has not seen a batch yet passes everything on as it is.

    Args:
        images: Whether the tensor holds the model's images. Their range only
            grows.
        pixels: Whether these are known to be bytes. Bytes get the range 0 to
            255, so that those of a camera are fed by subtracting 128; so do
            images that nearly reach 255 and not past it.
        margin: Share by which the range is wider than what was seen. Pixels
            times a factor may all lie halfway between two levels, where the
            last bit of a float decides; a wider range has other levels.
        **kwargs: `name`, `dtype` and so on.

    Input shape:
        Any.

    Output shape:
        As the input.

    Example:

    >>> quantizer = ActivationQuantizer()
    >>> outputs = quantizer(np.linspace(0, 255, 9), training=True)
    """

    #: What looks for a layer, such as `find_head`, looks through this one.
    transparent = True
    #: Whether ranges are followed outside training too, see `observing`.
    observes = False

    def __init__(self, images=False, margin=0.0, pixels=False, **kwargs):
        super().__init__(**kwargs)
        self.images = images
        self.pixels = pixels
        self.margin = margin
        self.supports_masking = True

    def build(self, input_shape):
        del input_shape

        def add(name):
            return self.add_weight(
                name=name,
                shape=(),
                initializer="zeros",
                dtype="float32",
                autocast=False,
                trainable=False,
            )

        self.min, self.max, self.num_batches = map(
            add, ("min", "max", "num_batches")
        )

    def call(self, inputs, training=None):
        if self.observes:
            self._observe(ops.cast(inputs, "float32"))
            return ops.cast(inputs, self.compute_dtype)
        quantizers = load_quantizers()
        make = (
            quantizers.AllValuesQuantizer
            if self.images
            else quantizers.MovingAverageQuantizer
        )
        quantizer = make(
            num_bits=8, per_axis=False, symmetric=False, narrow_range=False
        )
        training = bool(training)
        x = ops.cast(inputs, "float32")
        if training:
            self._warm_up(x)
        low, high = self.min.value, self.max.value
        outputs = quantizer(
            x, training=training, weights={"min_var": low, "max_var": high}
        )
        if self.margin:
            outputs = quantizer(
                x,
                training=False,
                weights={"min_var": low, "max_var": high * (1 + self.margin)},
            )
        if not training:
            outputs = ops.where(self.num_batches > 0, outputs, x)
        return ops.cast(outputs, self.compute_dtype)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {
            **super().get_config(),
            "images": self.images,
            "margin": self.margin,
            "pixels": self.pixels,
        }

    def range(self):
        """The quantized range as a pair of floats, with zero on a level.

        Raises:
            ValueError: If no batch was seen yet.
        """
        if not float(self.num_batches):
            raise ValueError(
                "The model was never trained since it became "
                "quantization-aware, so the ranges of its activations are "
                "not known. Train it (`fit`), or pass `calibration=` images "
                "to `quantization_aware`. "
                f"Received: layer={self.name!r}, which saw no batch"
            )
        high = np.float32(self.max) * np.float32(1 + self.margin)
        return nudged_range(float(self.min), high)

    def _observe(self, x):
        self.min.assign(ops.minimum(self.min, ops.min(x)))
        self.max.assign(ops.maximum(self.max, ops.max(x)))
        self.num_batches.assign(self.num_batches + len(x))

    def _warm_up(self, x):
        low, high = ops.min(x), ops.max(x)
        if self.images:
            least = 0.0 if self.pixels else _BRIGHT
            pixels = ops.logical_and(
                low >= 0.0,
                ops.logical_and(high >= least, high <= _LARGEST_PIXEL),
            )
            self.max.assign(ops.where(pixels, _LARGEST_PIXEL, self.max.value))
        else:
            share = _WARM_UP / (self.num_batches + _WARM_UP)
            share = ops.where(share > _SLOWEST, share, 0.0)
            for variable, seen in (
                (self.min, ops.minimum(low, 0.0)),
                (self.max, ops.maximum(high, 0.0)),
            ):
                variable.assign(variable + share * (seen - variable))
        self.num_batches.assign(self.num_batches + 1.0)


@contextlib.contextmanager
def observing(quantizers):
    """Lets quantizers measure what is computed in the block, in float.

    Their ranges grow to hold all of it. Nothing is rounded: a converter
    measures the float network too.
    """
    for quantizer in quantizers:
        quantizer.observes = True
    try:
        yield
    finally:
        for quantizer in quantizers:
            quantizer.observes = False


def nudged_range(low, high):
    """Moves a range by less than half a level, so that zero is on a level.

    The rule of TensorFlow's fake-quantization, written once here so that a
    converter that rounds differently sees a range that needs no rounding.
    """
    low, high = np.float32(low), np.float32(high)
    if low == high:
        return 0.0, 1.0  # only zeros flow here
    scale = (high - low) / np.float32(255)
    zero_point = np.clip(np.floor(-low / scale + np.float32(0.5)), 0, 255)
    return float(-zero_point * scale), float((255 - zero_point) * scale)


#: Part of the layer before: only their output is rounded.
FUSED = ("linear", "relu", "relu6")
#: Their output has the range that the integer kernels fix.
FIXED_RANGES = {
    "sigmoid": (0.0, 255 / 256),
    "hard_sigmoid": (0.0, 1.0),
    "tanh": (-1.0, 127 / 128),
}
#: Their output is rounded by whoever reads it.
UNBOUNDED = ("silu", "hard_silu")
SUPPORTED = (*FUSED, *FIXED_RANGES, *UNBOUNDED, "softmax")


@keras.saving.register_keras_serializable(package="kerastl")
class QuantizedActivation(keras.layers.Layer):
    """An activation function, with the rounding inside it simulated.

    `sigmoid` and its like return values in a range that the integer kernels
    fix; `silu` multiplies its input by such a rounded sigmoid. The output of
    `softmax` is not rounded: its gradient would vanish where it saturates.

    Args:
        activation: Name of the function, one of "linear", "relu", "relu6",
            "sigmoid", "hard_sigmoid", "tanh", "silu", "hard_silu" and
            "softmax".
        quantize_input: Whether the input is rounded first where the function
            is a kernel of its own; `False` where it is rounded already.
        **kwargs: `name`, `dtype` and so on.

    Input shape:
        Any.

    Output shape:
        As the input.

    Example:

    >>> gate = QuantizedActivation("sigmoid")
    >>> 256 * gate(np.array([0.3]))
    """

    def __init__(self, activation="linear", quantize_input=False, **kwargs):
        super().__init__(**kwargs)
        self.activation = activation
        self.quantize_input = quantize_input
        self.input_quantizer = None
        if quantize_input and activation not in FUSED:
            self.input_quantizer = ActivationQuantizer(
                name="input_quantizer", dtype=self.dtype_policy
            )

    def build(self, input_shape):
        if self.input_quantizer is not None:
            self.input_quantizer.build(input_shape)

    def call(self, inputs, training=None):
        x = inputs
        if self.input_quantizer is not None:
            x = self.input_quantizer(x, training=training)
        return apply_activation(self.activation, x)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {
            **super().get_config(),
            "activation": self.activation,
            "quantize_input": self.quantize_input,
        }


def apply_activation(name, x):
    """Computes one of `SUPPORTED` with the rounding inside it."""
    if name == "silu":
        return x * apply_activation("sigmoid", x)
    if name == "hard_silu":
        # Written so that the converter sees one HARD_SWISH.
        return x * ops.relu6(x + 3.0) * (1 / 6)
    outputs = getattr(keras.activations, name)(x)
    if name not in FIXED_RANGES:
        return outputs
    return ops.cast(
        fixed_quantization(ops.cast(outputs, "float32"), *FIXED_RANGES[name]),
        outputs.dtype,
    )


def fixed_quantization(x, low, high):
    """Rounds a float32 tensor to 256 levels between two constants."""
    quantizer = load_quantizers().FixedQuantizer(
        num_bits=8, init_min=low, init_max=high, narrow_range=False
    )
    return quantizer(x, training=False, weights=None)
