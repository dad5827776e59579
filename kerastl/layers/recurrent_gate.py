"""The memory of a gating network that runs along the layers."""

from typing import Any

import keras
from keras import ops

from kerastl.types import Shape
from kerastl.types import Tensor


@keras.saving.register_keras_serializable(package="kerastl")
class RecurrentGate(keras.layers.Layer):
    """One step of an LSTM whose time is the depth of a network.

    The same layer is called once for every gated layer, so that its weights
    are shared by all: `state = gate(pooled, state)`. The state is one tensor,
    `(batch, 2 * units)`: the output of the LSTM and behind it the cell.

    Args:
        units: Size of inputs and output.
        seed: Seed of the weights.
        **kwargs: As in `keras.layers.Layer`.

    Example:

    >>> gate = kerastl.layers.RecurrentGate(8)
    >>> state = gate(first)
    >>> state = gate(second, state)
    >>> hidden = state[:, :8]

    Reference:
        Guo et al., "AdaFilter", AAAI 2020. Assumed: an LSTM, that starts from
        zeros.
    """

    def __init__(
        self, units: int, seed: int | None = None, **kwargs: Any
    ) -> None:
        kwargs.setdefault("dtype", "float32")
        super().__init__(**kwargs)
        self.units = units
        self.seed = seed
        self.cell = keras.layers.LSTMCell(
            units,
            kernel_initializer=keras.initializers.GlorotUniform(seed),
            recurrent_initializer=keras.initializers.Orthogonal(seed=seed),
            dtype=self.dtype_policy,
        )

    def build(
        self, inputs_shape: Shape, state_shape: Shape | None = None
    ) -> None:
        self.cell.build(inputs_shape)

    def call(self, inputs: Tensor, state: Tensor | None = None) -> Tensor:
        if state is None:
            state = ops.zeros((ops.shape(inputs)[0], 2 * self.units))
        hidden, cell = state[:, : self.units], state[:, self.units :]
        _, (hidden, cell) = self.cell(inputs, [hidden, cell])
        return ops.concatenate([hidden, cell], axis=-1)

    def compute_output_shape(
        self, inputs_shape: Shape, state_shape: Shape | None = None
    ) -> Shape:
        return (inputs_shape[0], 2 * self.units)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "units": self.units,
            "seed": self.seed,
        }
