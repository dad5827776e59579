from collections.abc import Sequence

import keras
from keras import ops

from kerastl.losses.lwf import LwF
from kerastl.types import Tensor


@keras.saving.register_keras_serializable(package="kerastl")
class LogitsDistillation(LwF):
    """Logits distillation: the source's head must read the same as before.

    The source's frozen head reads the student's features; its answers are
    held to those that it gives for the source's. With logits `t` of the
    source and `s` from the student's features, the mean over the batch of

        T^2 * KL( softmax(t / T) || softmax(s / T) )

    It is 0 where both agree, and its gradient does not fade with `T`. `LwF`
    differs in that its copy of the head trains along.

    Args:
        source: The source with its classifier. `None` where the weights come
            from a saved file.
        weight: Factor of the term in the total loss.
        temperature: `T`, as in `keras.distillation.LogitsDistillation`.
        head_shape: Units and classes of the classifier; read from `source`.
        train_head: Whether the student's features are read by a copy of the
            head that trains along.
        name: Name in the progress bar and in `History`.

    Raises:
        ValueError: As `LwF` does.

    Example:

    ```python
    tuner.compile(
        optimizer="sgd",
        loss="sparse_categorical_crossentropy",
        transfer_losses=[kerastl.losses.LogitsDistillation(source)],
    )
    ```

    Reference:
        Hinton, Vinyals and Dean, "Distilling the Knowledge in a Neural
        Network", 2015, section 2.
    """

    def __init__(
        self,
        source: keras.Model | None = None,
        weight: float = 1.0,
        temperature: float = 3.0,
        head_shape: Sequence[int] | None = None,
        train_head: bool = False,
        name: str = "logits_distillation",
    ) -> None:
        super().__init__(
            source, weight, temperature, head_shape, train_head, name
        )

    def compare(self, recorded: Tensor, given: Tensor) -> Tensor:
        divergence = ops.sum(ops.exp(recorded) * (recorded - given), axis=-1)
        return self.temperature**2 * divergence
