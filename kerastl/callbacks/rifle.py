from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras.ops import convert_to_numpy

from kerastl.arguments import checked_flag
from kerastl.arguments import nearest_hint
from kerastl.callbacks.reinitialization import PeriodCallback
from kerastl.callbacks.reinitialization import fan_in_draw
from kerastl.callbacks.reinitialization import reset_slots
from kerastl.optimizers.grouped_optimizer import optimizer_parts
from kerastl.schedules import CyclicCosine
from kerastl.surgery.find_head import find_head
from kerastl.surgery.graph import hidden_layers
from kerastl.surgery.layer_paths import layers_named

# Where a schedule is looked at for its highest rate.
_PLACES = 101


class RIFLE(PeriodCallback):
    """Re-initializes the classifier several times during fine-tuning.

    A new classifier converges soon, and then little error reaches the deep
    layers. Fresh weights at the end of every period send large errors back
    again; the last period is left to converge. The rest of the network, its
    optimizer state and the learning rate go on as if nothing had happened.

    With `E` epochs a period has `E // periods` of them; the last one takes
    the remainder, and nothing is re-initialized after it. Weights and biases of
    a classifier of `D` features are drawn evenly from `-1 / sqrt(D)` to
    `1 / sqrt(D)`, as in the authors' code, at the start of the period: what is
    saved or evaluated at the end of an epoch is always a trained classifier.
    They depend on the epoch and the seed only, so that a killed training
    that is resumed with the same seed draws the same.

    Works in `FineTuner`, on the student's head, and in plain `fit`.

    The recipe `rifle` of `kerastl.apps` differs from the published runs: its
    classifier starts every period at ten times the network's rate, and more
    than two periods have at least 40 steps each. With a few hundred photos it
    does not come back otherwise, and in fewer than 80 steps the run says so.

    Args:
        periods: number of periods, at least 1. The classifier is drawn anew
            `periods - 1` times.
        layers: names of the layers to re-initialize, at any depth. `None`
            takes the head, see `kerastl.surgery.find_head`. What has no
            kernel comes from its own initializers.
        restart_learning_rate: whether the learning rate of these layers
            starts again in every period and falls along a cosine. They need
            an optimizer of their own for that, in a
            `keras.optimizers.MultiOptimizer`; `None` restarts it where they
            have one. It is off in the published runs.
        reset_optimizer: whether the optimizer forgets the momentum of these
            layers. It is off in the published code: the old direction stays.
        seed: seed of the new weights. `None` takes one from Keras's global
            generator.

    Raises:
        ValueError: if `periods` is less than 1, and at the start of `fit` if
            there are fewer epochs than periods, a layer is not found, or
            the layers have no optimizer of their own where they need one.

    Example:

    ```python
    rifle = kerastl.callbacks.RIFLE(periods=4, seed=0)
    tuner.fit(train, epochs=40, callbacks=[rifle])
    rifle.epochs  # [10, 20, 30]
    ```

    Reference:
        Li et al., "RIFLE: Backpropagation in Depth for Deep Transfer Learning
        through Re-Initializing the Fully-connected LayEr", ICML 2020,
        section 3.
    """

    def __init__(
        self,
        periods: int = 4,
        layers: str | Sequence[str] | None = None,
        restart_learning_rate: bool | None = False,
        reset_optimizer: bool = False,
        seed: int | None = None,
    ) -> None:
        super().__init__(periods, seed)
        self.layers = [layers] if isinstance(layers, str) else layers
        if restart_learning_rate is not None:
            restart_learning_rate = checked_flag(
                "restart_learning_rate", restart_learning_rate
            )
        self.restart_learning_rate = restart_learning_rate
        self.reset_optimizer = checked_flag("reset_optimizer", reset_optimizer)
        self._found = []
        self._restarted = None

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        super().on_train_begin(logs)
        self._found = self._find(self.network)
        self._restarted = None
        if self.restart_learning_rate is not False:
            self._restarted = self._own_optimizer(
                [
                    variable
                    for layer in self._found
                    for variable in layer.trainable_variables
                ]
            )
        if self._restarted is not None:
            if not self.params.get("steps"):
                raise ValueError(
                    "To restart the learning rate RIFLE must know how long an "
                    "epoch is. Pass `steps_per_epoch` to `fit`. "
                    f"Received: steps={self.params.get('steps')}"
                )

    def on_epoch_begin(
        self, epoch: int, logs: dict[str, Any] | None = None
    ) -> None:
        if self._restarted is not None:
            self._restart(epoch)
            self._restarted = None
        super().on_epoch_begin(epoch, logs)

    def begin_period(self, epoch: int) -> None:
        for index, layer in enumerate(self._found):
            layer.set_weights(fan_in_draw(layer, [self.seed, epoch, index]))
            if self.reset_optimizer:
                reset_slots(self.model.optimizer, layer.trainable_variables)

    def _find(self, model):
        if self.layers is None:
            head = find_head(model).layer
            if head is None:
                raise ValueError(
                    "The model has no classifier to re-initialize. Name the "
                    "layers: `RIFLE(layers=[...])`. "
                    f"Received: model {model.name!r}"
                )
            return [head]
        chosen = {}
        for name in self.layers:
            found = [x for x in layers_named(model, name) if x.weights]
            if not found:
                layers = hidden_layers(model)
                known = [layer.name for layer in layers if layer.weights]
                raise ValueError(
                    "The model has no layer of that name with weights."
                    f"{nearest_hint(name, known)} "
                    f"Received: layers={self.layers}"
                )
            chosen.update((id(layer), layer) for layer in found)
        return list(chosen.values())

    def _restart(self, epoch):
        steps = self.params["steps"]
        optimizer = self._restarted
        total = steps * self.params["epochs"]
        rate = optimizer._learning_rate
        if isinstance(rate, keras.optimizers.schedules.LearningRateSchedule):
            # Its highest: it may begin at zero, and rise.
            places = np.linspace(0, total, _PLACES).astype(int)
            rate = max(convert_to_numpy(rate(place)) for place in places)
        optimizer.learning_rate = CyclicCosine(
            float(convert_to_numpy(rate)),
            total,
            self.periods,
            period=steps * self.period,
            # The optimizer may have taken steps in an earlier training.
            first_step=int(convert_to_numpy(optimizer.iterations))
            - steps * epoch,
        )
        # A step that is traced already would go on with the old rate.
        self.model.make_train_function(force=True)

    def _own_optimizer(self, variables):
        """The optimizer that trains these weights and no others, if any."""
        wanted = set(map(id, variables))
        parts = optimizer_parts(
            self.model.optimizer, self.model.trainable_variables
        )
        for part, held in parts:
            if wanted == set(map(id, held)) and len(parts) > 1:
                return part
        if self.restart_learning_rate is None:
            return None
        paths = {variable.path.rpartition("/")[0] for variable in variables}
        pattern = f"({'|'.join(sorted(paths))})/.*"
        raise ValueError(
            "To restart the learning rate of the re-initialized layers alone, "
            "they need an optimizer of their own. Compile with "
            "`keras.optimizers.MultiOptimizer(keras.optimizers.OptimizerMap("
            f"keras.optimizers.SGD(...), {{{pattern!r}: "
            "keras.optimizers.SGD(...)}))`. "
            f"Received: optimizer={self.model.optimizer.name!r}"
        )
