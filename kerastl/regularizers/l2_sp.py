from __future__ import annotations

import re
from collections.abc import Mapping
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from kerastl.arguments import checked_flag
from kerastl.arguments import checked_weight
from kerastl.arguments import nearest_hint
from kerastl.regularizers import penalty
from kerastl.regularizers.penalty import AnchoredL2
from kerastl.surgery.layer_paths import match_paths
from kerastl.surgery.layer_paths import weight_paths

if TYPE_CHECKING:
    import keras


class L2SP:
    """L2-SP: pull the weights toward their starting point, not toward zero.

        strength / 2 * ||w - w0||^2 + head_strength / 2 * ||w_head||^2

    where `w0` are the pre-trained kernels. The head, which is new, has no
    starting point worth keeping and gets plain L2. With Fisher information,
    the first term is `strength / 2 * sum_j F_j (w_j - w0_j)^2`.

    Attach it to any Keras model, compiled or not; no `FineTuner` is needed.
    The penalty counts for kernels of convolutions (depthwise and separable
    ones too) and Dense layers, not for biases; as in the authors' code,
    BatchNormalization scales and offsets are left free unless `batch_norm` is
    set. The starting values are stored in saved files, so that training goes
    on from the same anchors. The penalty is part of the loss, so it passes
    through momentum. An optimizer's `weight_decay` would pull toward zero at
    the same time: set it to 0, or exclude these weights.

    Args:
        strength: factor for the pre-trained weights: a number, or a dict
            from layer name, or regular expression for whole names, to the
            number for its weights. The first that fits counts; layers that
            none fits are not penalised. A layer in a nested model may be
            given by its path too, `"backbone/Conv1"`.
        head_strength: factor for the head.
        head: name, or list of names, of the layers that make the head: every
            layer of that name, or the one with that path. Defaults to the
            last layer with a kernel.
        batch_norm: whether BatchNormalization scales and offsets count too.
        fisher: dict from variable path to an array of the variable's shape,
            the diagonal of the Fisher information, for every penalised weight
            outside the head: see `kerastl.estimate_fisher`. Weights of
            another model are found by the names at the end of their paths, of
            nested models, layer and variable. A layer that it does not know
            is new and held by `head_strength`.

    Example:

    ```python
    kerastl.regularizers.L2SP(0.1).attach(student)
    student.compile("sgd", "sparse_categorical_crossentropy")
    student.fit(train, epochs=10)
    ```

    Reference:
        Li, Grandvalet, Davoine, "Explicit Inductive Bias for Transfer
        Learning with Convolutional Networks", ICML 2018. The defaults are
        those of the authors' script for Stanford Dogs.
    """

    def __init__(
        self,
        strength: float | dict[str, float] = 0.1,
        head_strength: float = 0.01,
        head: str | Sequence[str] | None = None,
        batch_norm: bool = False,
        fisher: Mapping[str, np.ndarray] | None = None,
    ) -> None:
        self.strength: float | dict[str, float]
        if isinstance(strength, dict):
            self.strength = {
                layer: checked_weight(f"strength[{layer!r}]", value)
                for layer, value in strength.items()
            }
        else:
            self.strength = checked_weight("strength", strength)
        self.head_strength = checked_weight("head_strength", head_strength)
        self.head = head
        self.batch_norm = checked_flag("batch_norm", batch_norm)
        self.fisher = fisher

    def attach(
        self, model: keras.Model, source: keras.Model | None = None
    ) -> keras.Model:
        """Puts the penalty on the weights of `model`, in place.

        Args:
            model: a built `keras.Model`. A model around it, such as a
                `FineTuner` that has trained already, must be compiled again.
            source: the model whose weights are the starting point, matched by
                layer name and shape, and where several nested models have
                such a layer, by the names of those; weights without a
                counterpart count as head, beside the layers that `head`
                names. Defaults to the weights that `model` has now.

        Returns:
            `model`, for chaining.

        Raises:
            ValueError: if the model is not built, has no kernels or no layer
                named as the head, shares no weight with the source, has
                another regularizer on one, or `fisher` or a name in
                `strength` does not fit; if several weights of the source or
                of `fisher` could be meant.
        """
        weights = penalty.penalised_weights(model, self.batch_norm)
        head = set()
        if source is None or self.head is not None:
            head = penalty.head_layers(model, weights, self.head)
        start = _starting_values(weights, source, self.batch_norm)
        if all(value is None for value in start):
            raise ValueError(
                "Model and source have no weight of the same layer name and "
                "shape in common. Received: "
                f"model={model.name!r}, "
                f"source={getattr(source, 'name', None)!r}"
            )
        strengths = self._strengths(weights)
        fisher = self._fisher_of(model, weights)
        # A layer that the Fisher information does not know, where it knows
        # others, was put in after it was estimated: a gate, say.
        known = {
            id(entry.layer)
            for entry, value in zip(weights, fisher, strict=True)
            if value is not None
        }
        penalties: list[AnchoredL2 | None] = []
        for entry, value, strength, importance in zip(
            weights, start, strengths, fisher, strict=True
        ):
            is_new = known and id(entry.layer) not in known
            if value is None or id(entry.layer) in head or is_new:
                penalties.append(AnchoredL2(self.head_strength))
                continue
            if strength is None:
                penalties.append(None)
                continue
            anchored = AnchoredL2(
                strength, value.shape, self.fisher is not None
            )
            if self.fisher is None:
                anchored.assign([value])
            else:
                _check_importance(entry.variable, importance)
                anchored.assign([value, importance])
            penalties.append(anchored)
        penalty.attach(model, weights, penalties)
        return model

    def detach(self, model: keras.Model) -> keras.Model:
        """Takes the penalty off again, see `kerastl.regularizers.detach`."""
        return penalty.detach(model)

    def _strengths(self, weights):
        """The factor of each weight; `None` where there is no penalty."""
        if not isinstance(self.strength, dict):
            return [self.strength] * len(weights)
        found = [None] * len(weights)
        for pattern, value in reversed(self.strength.items()):
            fitting = [
                i
                for i, entry in enumerate(weights)
                if re.fullmatch(pattern, entry.layer.name)
                or re.fullmatch(pattern, entry.path)
            ]
            if not fitting:
                names = {entry.layer.name for entry in weights}
                raise ValueError(
                    "A name in `strength` fits no layer with a penalised "
                    f"weight.{nearest_hint(pattern, names)} "
                    f"Received: strength={self.strength}, of which {pattern!r}"
                )
            for i in fitting:
                found[i] = value
        return found

    def _fisher_of(self, model, weights):
        """The Fisher information of each weight, `None` where there is none."""
        if self.fisher is None:
            return [None] * len(weights)
        paths = weight_paths(model)
        known = list(self.fisher)
        found = match_paths(
            [paths[id(entry.variable)] for entry in weights], known, least=2
        )
        return [None if j is None else self.fisher[known[j]] for j in found]


def _check_importance(variable, value):
    shape = tuple(variable.shape)
    if value is None or np.shape(value) != shape:
        found = "nothing" if value is None else f"shape {np.shape(value)}"
        raise ValueError(
            "`fisher` must hold an array for every penalised weight "
            "outside the head, by variable path. "
            f"Received: {found} for {variable.path!r} of shape {shape}"
        )


def _starting_values(weights, source, batch_norm):
    if source is None:
        return [entry.variable.numpy() for entry in weights]
    known = penalty.penalised_weights(source, batch_norm)

    def fits(i, j):
        return weights[i].variable.shape == known[j].variable.shape

    found = match_paths(
        [f"{entry.path}/{entry.variable.name}" for entry in weights],
        [f"{entry.path}/{entry.variable.name}" for entry in known],
        least=2,
        fits=fits,
    )
    return [None if j is None else known[j].variable.numpy() for j in found]
