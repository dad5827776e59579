"""The choice between two branches."""

from collections.abc import Sequence

import keras
from keras import ops

from kerastl.types import Shape
from kerastl.types import Tensor


@keras.saving.register_keras_serializable(package="kerastl")
class MixByGates(keras.layers.Layer):
    """Takes the first branch where a gate is 1 and the second where it is 0.

        gate * first + (1 - gate) * second

    Called on `[first, second, gates]`: two features of the same shape, and
    gates of shape `(batch, channels)`, or `(batch, 1)` for all channels alike.

    Example:

    >>> mixed = kerastl.layers.MixByGates()([tuned, frozen, gates])
    """

    def call(self, inputs: Sequence[Tensor]) -> Tensor:
        first, second, gates = inputs
        places = list(range(1, len(first.shape)))
        last = keras.config.image_data_format() == "channels_last"
        places.pop(-1 if last else 0)
        for place in places:
            gates = ops.expand_dims(gates, place)
        return gates * first + (1 - gates) * second

    def compute_output_shape(self, input_shape: Sequence[Shape]) -> Shape:
        return input_shape[0]
