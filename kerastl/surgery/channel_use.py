"""What a layer does with the channels that it reads and makes."""

import dataclasses

import keras
import numpy as np
from keras import layers
from keras import ops

from kerastl.surgery.rebuild import config_of


@dataclasses.dataclass
class ChannelUse:
    """The channels of one layer with weights.

    Attributes:
        layer: the layer.
        inputs: numbers of the channels that it reads.
        outputs: numbers of the channels that it makes.
        zeros: which of the inputs are zero everywhere.
        mixes: whether every output reads all inputs.
    """

    layer: keras.Layer
    inputs: np.ndarray
    outputs: np.ndarray
    zeros: np.ndarray
    mixes: bool

    def filter_norms(self):
        """Euclidean norm of the weights that make each output."""
        kernel = self._filters()
        return np.sqrt(np.sum(kernel**2, tuple(range(kernel.ndim - 1))))

    def reads(self, outputs):
        """Whether each input has a part in one of the chosen outputs."""
        kernel = np.abs(self._readers()[..., outputs])
        axes = tuple(i for i in range(kernel.ndim) if i != kernel.ndim - 2)
        return ~self.zeros & np.any(kernel, axes)

    def zero_outputs(self, zeros):
        """Which outputs are zero, where `zeros` tells the inputs that are."""
        values = self.values()
        if isinstance(self.layer, layers.BatchNormalization):
            scale = values.get("gamma", np.ones(len(zeros)))
            mean = values["moving_mean"]
            offset = values.get("beta", np.zeros(len(zeros)))
            return (offset == 0) & ((scale == 0) | (zeros & (mean == 0)))
        if self.mixes:
            read = self._readers()[..., ~zeros, :]
            found = ~np.any(read, tuple(range(read.ndim - 1)))
        else:
            kernel = values["kernel"]
            unused = ~np.any(kernel.reshape(-1, len(self.outputs)), 0)
            found = np.repeat(zeros, self.layer.depth_multiplier) | unused
        found = found & (values.get("bias", np.zeros(len(found))) == 0)
        activation = self.layer.activation or keras.activations.linear
        at_zero = activation(ops.zeros((1, 2)))
        return found & ~np.any(ops.convert_to_numpy(at_zero))

    def clear(self, chosen):
        """Makes the chosen outputs zero, in place."""
        for weight in self.layer.weights:
            value = ops.convert_to_numpy(weight).copy()
            if weight.name in ("gamma", "beta", "moving_mean", "bias"):
                value[chosen] = 0
            elif self.mixes and weight.name in ("kernel", "pointwise_kernel"):
                value[..., chosen] = 0
            weight.assign(value)

    def slim_layer(self, inputs, outputs):
        """The layer without some channels, not built, and its weights.

        Args:
            inputs: which inputs stay.
            outputs: which outputs stay.
        """
        config = config_of(self.layer)
        count = int(np.sum(outputs))
        for name in ("filters", "units"):
            if self.mixes and name in config:
                config[name] = count
        # A saved build config would be of the wide layer.
        slim = type(self.layer).from_config(config)
        values = []
        for name, value in self.values().items():
            if name == "kernel" and self.mixes:
                value = value[..., inputs, :][..., outputs]
            elif name in ("kernel", "depthwise_kernel"):
                value = value[:, :, inputs]
            elif name == "pointwise_kernel":
                middle = np.repeat(inputs, self.layer.depth_multiplier)
                value = value[:, :, middle][..., outputs]
            else:
                value = value[outputs]
            values.append(value)
        return slim, values

    def values(self):
        """The weights as arrays, by name."""
        return {
            weight.name: ops.convert_to_numpy(weight)
            for weight in self.layer.weights
        }

    def _filters(self):
        values = self.values()
        return values.get("pointwise_kernel", values.get("kernel"))

    def _readers(self):
        """Array whose last axes are the inputs and the outputs."""
        values = self.values()
        if "pointwise_kernel" not in values:
            return values["kernel"]
        depthwise = values["depthwise_kernel"]
        middle = np.any(depthwise.reshape(-1, *depthwise.shape[2:]), 0)
        pointwise = values["pointwise_kernel"].reshape(*middle.shape, -1)
        return np.any(pointwise * middle[..., None], 1)
