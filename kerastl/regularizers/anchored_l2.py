from collections.abc import Iterable
from collections.abc import Sequence
from typing import Any

import keras
from keras import ops
from keras.src.saving.keras_saveable import KerasSaveable

from kerastl.types import Tensor


@keras.saving.register_keras_serializable(package="kerastl")
class AnchoredL2(keras.Regularizer, KerasSaveable):
    """Penalty on the squared distance of one weight from its anchor.

        strength / 2 * sum(importance * (weight - anchor)**2)

    `L2SP.attach` and `L2.attach` put one on each weight. The anchor is a
    variable of the regularizer: it travels in `.keras` and `.weights.h5` files
    and through `kerastl.surgery.copy_model`, but is no weight of the model.

    Args:
        strength: non-negative float.
        shape: shape of the weight, or `None` for an anchor of zeros (plain
            L2).
        weighted: whether every element has an importance of its own.

    Raises:
        ValueError: if it is called before its anchor is known, which happens
            in a model made with `keras.models.clone_model`.

    Example:

    >>> layer = keras.layers.Dense(
    ...     2, kernel_regularizer=kerastl.regularizers.AnchoredL2(0.1)
    ... )
    """

    def __init__(
        self,
        strength: float,
        shape: Sequence[int] | None = None,
        weighted: bool = False,
    ) -> None:
        self.strength = float(strength)
        self.shape = None if shape is None else tuple(shape)
        self.weighted = weighted
        self.anchor = self.importance = None
        self._is_set = shape is None
        if shape is not None:
            self.anchor = _fixed(self.shape, "anchor")
        if weighted:
            self.importance = _fixed(self.shape, "importance")

    @property
    def variables(self) -> list[keras.Variable]:
        """The anchor and the importance, as far as there are any."""
        return [v for v in (self.anchor, self.importance) if v is not None]

    def assign(self, values: Iterable[Tensor]) -> None:
        """Sets the variables, in their order."""
        for variable, value in zip(self.variables, values, strict=True):
            # The copy, because JAX may share the buffer of what is assigned
            # and delete it when the weight that it came from is trained.
            variable.assign(ops.copy(ops.convert_to_tensor(value, "float32")))
        self._is_set = True

    def __call__(self, x: Tensor) -> Tensor:
        if not self._is_set:
            raise ValueError(
                "The starting values of an L2-SP penalty are not known in "
                "this copy of the model. Copy it with "
                "`kerastl.surgery.copy_model`, or attach the penalty again "
                "with `kerastl.regularizers.L2SP(...).attach(model)`. "
                f"Received: a weight of shape {tuple(x.shape)}"
            )
        x = ops.cast(x, "float32")
        if self.anchor is not None:
            x = x - self.anchor
        squares = ops.square(x)
        if self.importance is not None:
            squares = squares * self.importance
        return 0.5 * self.strength * ops.sum(squares)

    def save_own_variables(self, store: Any) -> None:
        for variable in self.variables:
            store[variable.name] = variable.numpy()

    def load_own_variables(self, store: Any) -> None:
        # A file of the plain model has no anchors: those in place stay.
        if "anchor" in store:
            self.assign([store[variable.name] for variable in self.variables])

    def _obj_type(self):
        # Keras looks up by type which attributes not to save; it has no type
        # for regularizers, and a loss is the nearest.
        return "Loss"

    def get_config(self) -> dict[str, Any]:
        return {
            "strength": self.strength,
            "shape": None if self.shape is None else list(self.shape),
            "weighted": self.weighted,
        }


def _fixed(shape, name):
    return keras.Variable(
        ops.zeros(shape, "float32"),
        dtype="float32",
        trainable=False,
        name=name,
    )
