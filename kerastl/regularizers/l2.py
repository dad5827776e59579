from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from kerastl.arguments import checked_flag
from kerastl.arguments import checked_weight
from kerastl.regularizers import penalty
from kerastl.regularizers.penalty import AnchoredL2

if TYPE_CHECKING:
    import keras


class L2:
    """Plain L2 on the kernels of a network, the baseline of L2-SP.

        strength / 2 * ||w||^2 + head_strength / 2 * ||w_head||^2

    Attach it to any Keras model, compiled or not; no `FineTuner` is needed.
    The penalty counts for kernels of convolutions (depthwise and separable
    ones too) and Dense layers, not for biases. It is part of the loss, so it
    passes through momentum: do not use a `weight_decay` beside it.

    Args:
        strength: factor for the pre-trained kernels.
        head_strength: factor for the head.
        head: name, or list of names, of the layers that make the head.
            Defaults to the last layer with a kernel.
        batch_norm: whether BatchNormalization scales and offsets count too.

    Example:

    ```python
    kerastl.regularizers.L2(1e-4).attach(model)
    model.compile("sgd", "sparse_categorical_crossentropy")
    ```

    Reference:
        Li, Grandvalet, Davoine, "Explicit Inductive Bias for Transfer
        Learning with Convolutional Networks", ICML 2018. The defaults are
        those of the authors' code.
    """

    def __init__(
        self,
        strength: float = 1e-4,
        head_strength: float = 1e-3,
        head: str | Sequence[str] | None = None,
        batch_norm: bool = False,
    ) -> None:
        self.strength = checked_weight("strength", strength)
        self.head_strength = checked_weight("head_strength", head_strength)
        self.head = head
        self.batch_norm = checked_flag("batch_norm", batch_norm)

    def attach(self, model: keras.Model) -> keras.Model:
        """Puts the penalty on the kernels of `model`, in place.

        Args:
            model: a built `keras.Model`. A model around it, such as a
                `FineTuner` that has trained already, must be compiled again.

        Returns:
            `model`, for chaining.

        Raises:
            ValueError: if the model is not built, has no kernels or no layer
                named as the head, or has another regularizer on one.
        """
        weights = penalty.penalised_weights(model, self.batch_norm)
        head = penalty.head_layers(model, weights, self.head)
        penalties = [
            AnchoredL2(
                self.head_strength if id(entry.layer) in head else self.strength
            )
            for entry in weights
        ]
        penalty.attach(model, weights, penalties)
        return model

    def detach(self, model: keras.Model) -> keras.Model:
        """Takes the penalty off again, see `kerastl.regularizers.detach`."""
        return penalty.detach(model)
