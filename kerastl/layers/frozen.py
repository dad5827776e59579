"""A part of a network that never trains."""

from typing import Any

import keras

from kerastl.types import Shape
from kerastl.types import Tensor


@keras.saving.register_keras_serializable(package="kerastl")
class Frozen(keras.layers.Wrapper):
    """Runs a layer or model in inference mode, with weights that never train.

    `trainable = False` on a layer is undone by whoever sets it on the model
    around it, and by a copy with `kerastl.surgery.copy_model`. This lasts:
    setting `trainable` has no effect. BatchNormalization inside normalizes by
    its moving statistics, which stay as they are. Gradients go through to the
    inputs.

    Args:
        layer: The layer or functional model.
        **kwargs: As in `keras.layers.Layer`.

    Example:

    >>> twin = kerastl.layers.Frozen(kerastl.surgery.copy_model(block))
    >>> twin.trainable = True
    >>> twin.trainable_variables
    []
    """

    def __init__(self, layer: keras.layers.Layer, **kwargs: Any) -> None:
        # What is inside converts its own inputs.
        kwargs["autocast"] = False
        kwargs.pop("trainable", None)
        super().__init__(layer, **kwargs)
        self.layer.trainable = False

    @property
    def trainable(self) -> bool:
        return False

    @trainable.setter
    def trainable(self, value: bool) -> None:
        # By the constructor of `Layer` before there is anything inside.
        if hasattr(self, "layer"):
            self.layer.trainable = False

    def build(self, input_shape: Shape | None = None) -> None:
        super().build(input_shape)
        self.layer.trainable = False

    def call(self, inputs: Tensor) -> Tensor:
        return self.layer(inputs, training=False)
