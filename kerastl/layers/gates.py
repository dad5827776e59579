"""Gates that are open or shut, and have a gradient.

With the choice between two branches that they make, and the memory of a gating
network that runs along the layers.
"""

from collections.abc import Sequence
from typing import Any
from typing import Literal

import keras
from keras import ops

from kerastl.arguments import checked_count
from kerastl.arguments import checked_number
from kerastl.arguments import checked_seed
from kerastl.types import Shape
from kerastl.types import Tensor

MODES = ("straight_through", "gumbel")


@keras.saving.register_keras_serializable(package="kerastl")
class BinaryGates(keras.layers.Layer):
    """Turns logits into gates of exactly 0 or 1.

    Open where the logit is at least 0. The gradient is that of

    - `"straight_through"`: `sigmoid(logit)`;
    - `"gumbel"`: `sigmoid((logit + noise) / temperature)`, where the noise is
      the difference of two Gumbel draws, which also decides in training
      whether the gate is open: a two-way Gumbel softmax. Inference has no
      noise.

    Computed in float32.

    Args:
        mode: `"straight_through"` or `"gumbel"`.
        temperature: Softness of the gradient of `"gumbel"`, positive.
        seed: Seed of the noise.
        **kwargs: As in `keras.layers.Layer`.

    Raises:
        ValueError: If the mode is unknown or the temperature is not positive.

    Example:

    >>> np.asarray(kerastl.layers.BinaryGates()(np.array([[-0.2, 0.1]])))
    array([[0., 1.]], dtype=float32)

    Reference:
        Guo et al., "SpotTune", CVPR 2019 (`"gumbel"`, with the authors'
        temperature of 5).
    """

    def __init__(
        self,
        mode: Literal["straight_through", "gumbel"] = "straight_through",
        temperature: float = 5.0,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        kwargs.setdefault("dtype", "float32")
        super().__init__(**kwargs)
        if mode not in MODES:
            raise ValueError(
                f"`mode` must be one of {MODES}. Received: mode={mode!r}"
            )
        self.mode = mode
        self.temperature = checked_number("temperature", temperature, above=0)
        self.seed = checked_seed("seed", seed)
        if mode == "gumbel":
            self.seed_generator = keras.random.SeedGenerator(self.seed)

    def call(self, inputs: Tensor, training: bool | None = None) -> Tensor:
        logits = inputs
        soft = ops.sigmoid(logits)
        if self.mode == "gumbel" and training:
            # The difference of two Gumbel draws is a logistic one.
            draws = keras.random.uniform(
                ops.shape(logits), 1e-6, 1 - 1e-6, seed=self.seed_generator
            )
            logits = logits + ops.log(draws) - ops.log(1 - draws)
            soft = ops.sigmoid(logits / self.temperature)
        hard = ops.cast(logits >= 0, soft.dtype)
        # In this order the value is exactly `hard`.
        return hard + (soft - ops.stop_gradient(soft))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "mode": self.mode,
            "temperature": self.temperature,
            "seed": self.seed,
        }


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
        self.units = checked_count("units", units)
        self.seed = checked_seed("seed", seed)
        self.cell = keras.layers.LSTMCell(
            self.units,
            kernel_initializer=keras.initializers.GlorotUniform(self.seed),
            recurrent_initializer=keras.initializers.Orthogonal(seed=self.seed),
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
