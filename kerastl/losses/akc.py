from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING
from typing import Any
from typing import Literal

import keras
from keras import ops

from kerastl.arguments import checked_text
from kerastl.arguments import unknown_name_error
from kerastl.losses.source_head_loss import SourceHeadLoss
from kerastl.types import Tensor

if TYPE_CHECKING:
    from kerastl.training.transfer_loss import TransferStep

_COMPARED = ("features", "predictions")


@keras.saving.register_keras_serializable(package="kerastl")
class AKC(SourceHeadLoss):
    """Adaptive knowledge consistency: hold to the source where it is sure.

    Over the examples, unlabelled ones included, of which the source's
    classifier is sure (the entropy of its prediction is at most `threshold`
    of the largest possible), the mean of

        || g(F_student) - g(F_source) ||^2

    where `g` is the mean over space. A batch without such an example counts
    0. The paper speaks of a divergence between outputs, its code compares
    pooled features; which one its tables used is assumed, so both are here:
    with `compare="predictions"` the divergence of what the source's frozen
    classifier reads in the source's features and in the student's.

    Args:
        source: The source with its classifier. `None` where the weights come
            from a saved file.
        weight: Factor of the term in the total loss. The default is the
            code's factor of 1 times the 1e-4 in it.
        threshold: Largest entropy of a sure prediction, as a share of the
            logarithm of the number of source classes.
        compare: `"features"` or `"predictions"`.
        warmup_steps: Steps `n` in which the term rises, by `1 / n` in each;
            its values in `History` rise with it.
        head_shape: Units and classes of the classifier; read from `source`.
        name: Name in the progress bar and in `History`.

    Raises:
        ValueError: If the source has no classifier, or `compare` is unknown;
            at `compile`, if student and classifier do not fit.

    Example:

    ```python
    tuner = kerastl.FineTuner(student, source=source)
    tuner.compile(
        optimizer="sgd",
        loss="sparse_categorical_crossentropy",
        transfer_losses=[kerastl.losses.AKC(source), kerastl.losses.ARC()],
    )
    tuner.fit(kerastl.data.with_unlabelled(train, unlabelled))
    ```

    Reference:
        Abuduweili et al., "Adaptive Consistency Regularization for
        Semi-Supervised Transfer Learning", CVPR 2021, section 3.
    """

    def __init__(
        self,
        source: keras.Model | None = None,
        weight: float = 1e-4,
        threshold: float = 0.7,
        compare: Literal["features", "predictions"] = "features",
        warmup_steps: int = 100,
        head_shape: Sequence[int] | None = None,
        name: str = "akc",
    ) -> None:
        super().__init__(source, weight, head_shape, False, name)
        if checked_text("compare", compare) not in _COMPARED:
            raise unknown_name_error("compare", compare, _COMPARED)
        self.threshold = float(threshold)
        self.compare = compare
        self.warm_up = WarmUp(int(warmup_steps))

    @property
    def layers(self) -> list[keras.layers.Layer]:
        return [self.head, self.warm_up]

    def compute(self, step: TransferStep) -> Tensor:
        parts = [step]
        if step.unlabelled is not None:
            parts.append(step.unlabelled)
        student, source = (
            ops.concatenate([getattr(part, name) for part in parts])
            for name in ("student_embedding", "source_embedding")
        )
        recorded = ops.log_softmax(self.head(source))
        probabilities = ops.exp(recorded)
        sure = confident(probabilities, self.threshold)
        if self.compare == "features":
            distances = ops.sum(ops.square(student - source), axis=-1)
        else:
            given = ops.log_softmax(self.head(student))
            distances = ops.sum(probabilities * (recorded - given), axis=-1)
        mean = ops.sum(sure * distances) / ops.maximum(ops.sum(sure), 1.0)
        return self.warm_up.factor() * mean

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["train_head"]
        return {
            **config,
            "threshold": self.threshold,
            "compare": self.compare,
            "warmup_steps": self.warm_up.steps,
        }


class WarmUp(keras.layers.Layer):
    """Counts the training steps and returns their share of the warm-up.

    Args:
        steps: Steps until the factor is 1; 0 for no warm-up.
    """

    def __init__(self, steps):
        super().__init__(name="warm_up", dtype="float32")
        self.steps = steps
        self.seen = self.add_weight(
            name="seen",
            shape=(),
            initializer="zeros",
            trainable=False,
            aggregation="only_first_replica",
        )
        self.built = True

    def factor(self):
        """The factor of this step; the next call is for the next step.

        It is `1 / steps` in the first step, as in the code of the authors of
        AKC and ARC, and 1 from the last of the `steps` on.
        """
        self.seen.assign(self.seen + 1.0)
        return ops.minimum(self.seen / max(self.steps, 1), 1.0)


def confident(probabilities, threshold):
    """1 where the entropy is at most `threshold` of the largest, else 0.

    Args:
        probabilities: float32 `(batch, classes)`.
        threshold: Share of `log(classes)`, the entropy of not knowing.

    Returns:
        float32 `(batch,)`, without gradient.
    """
    logarithms = ops.log(ops.maximum(probabilities, 1e-12))
    entropy = -ops.sum(probabilities * logarithms, axis=-1)
    largest = math.log(probabilities.shape[-1])
    return ops.stop_gradient(
        ops.cast(entropy <= threshold * largest, "float32")
    )
