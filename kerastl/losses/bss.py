from __future__ import annotations

from typing import TYPE_CHECKING
from typing import Any

import keras
from keras import ops

from kerastl.arguments import checked_count
from kerastl.training.transfer_loss import TransferLoss
from kerastl.types import Tensor

if TYPE_CHECKING:
    from kerastl.training.transfer_loss import TransferStep


@keras.saving.register_keras_serializable(package="kerastl")
class BSS(TransferLoss):
    """Batch spectral shrinkage: weaken the weakest directions of features.

    The sum of the squares of the `k` smallest singular values of the batch's
    embeddings, a matrix `(batch, units)`. What lies along those directions
    transfers badly, and holding on to it makes negative transfer.

    They are the smallest eigenvalues of the smaller Gram matrix. Their
    gradient is computed from the eigenvectors alone, without dividing by the
    gaps between eigenvalues, so that equal ones do no harm.

    Args:
        weight: As in `TransferLoss`.
        k: How many singular values, at least 1. A batch has as many as it has
            images, if there are fewer than units.
        name: As in `TransferLoss`.

    Raises:
        ValueError: If `k` is not a positive integer.

    Example:

    ```python
    tuner = kerastl.FineTuner(student)
    tuner.compile(
        "sgd",
        "sparse_categorical_crossentropy",
        transfer_losses=[kerastl.losses.BSS(0.001)],
    )
    ```

    Reference:
        Chen et al., "Catastrophic Forgetting Meets Negative Transfer: Batch
        Spectral Shrinkage for Safe Transfer Learning", NeurIPS 2019. The
        defaults are those of the authors' code.
    """

    needs_source = False
    needs_embedding = True

    def __init__(
        self, weight: float = 0.001, k: int = 1, name: str | None = None
    ) -> None:
        super().__init__(weight, name=name)
        self.k = checked_count("k", k)

    def compute(self, step: TransferStep) -> Tensor:
        features = ops.cast(step.student_embedding, "float32")
        units, batch = features.shape[1], features.shape[0]
        if batch is not None:
            if batch < units:
                features = ops.transpose(features)
            return self._smallest(features)
        return ops.cond(
            ops.shape(features)[0] < units,
            lambda: self._smallest(ops.transpose(features)),
            lambda: self._smallest(features),
        )

    def _smallest(self, tall):
        """The squares of the smallest singular values of a tall matrix."""
        fixed = ops.stop_gradient(tall)
        gram = ops.matmul(ops.transpose(fixed), fixed)
        # The decomposition would end a training that diverges with an error of
        # its own, in place of the loss that tells it.
        gram = ops.where(ops.isfinite(gram), gram, 0.0)
        _, vectors = ops.linalg.eigh(gram)
        # In ascending order of their eigenvalues.
        directions = ops.stop_gradient(vectors[:, : self.k])
        return ops.sum(ops.square(ops.matmul(tall, directions)))

    def get_config(self) -> dict[str, Any]:
        return {"weight": self.weight, "k": self.k, "name": self.name}
