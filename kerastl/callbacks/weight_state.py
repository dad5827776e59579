"""The variables of a training: whether they are sound, and a copy of them."""

import contextlib

import keras
import numpy as np

# What is larger has no square in float32: as good as infinite.
_LARGEST = float(np.sqrt(np.finfo("float32").max))


class WeightState:
    """Reads, compares and puts back the variables of a model in training.

    The model's weights count, those of a `FineTuner`'s terms included, and
    the optimizer's variables; the frozen source of a tuner never changes.

    Args:
        model: A compiled `keras.Model`. On the JAX backend it must be asked
            for anew in every callback (`self.model`), which brings its
            variables up to date.
    """

    def __init__(self, model):
        self.model = model
        source = getattr(model, "source", None)
        frozen = {id(v) for v in getattr(source, "variables", ())}
        self.weights = [v for v in model.weights if id(v) not in frozen]

    @property
    def variables(self):
        """All of them; the optimizer makes its own at the first step."""
        optimizer = self.model.optimizer
        return [*self.weights, *(optimizer.variables if optimizer else ())]

    def scope(self):
        """Where variables are made and assigned, under `tf.distribute`."""
        strategy = getattr(self.model, "distribute_strategy", None)
        return strategy.scope() if strategy else contextlib.nullcontext()

    def unsound(self, before=None, overflow=False):
        """The paths of the variables that are not what they should be.

        Args:
            before: Dict from path to the number of values that were no
                numbers earlier on; they may stay so (a mask of minus
                infinity).
            overflow: Whether weights so large that float32 has no square of
                them count too.

        Returns:
            Dict from path to the number of such values.
        """
        found = {}
        for position, variable in enumerate(self.variables):
            if not keras.backend.is_float_dtype(variable.dtype):
                continue
            values = keras.ops.convert_to_numpy(variable)
            largest = np.abs(values).max(initial=0)
            weight = position < len(self.weights)
            limit = _LARGEST if overflow and weight else np.inf
            if largest < limit:
                continue
            with np.errstate(invalid="ignore"):
                count = int(np.sum(~(np.abs(values) < limit)))
            if count > (before or {}).get(variable.path, 0):
                found[variable.path] = count
        return found

    def sums(self):
        """One number a weight, by which a change is noticed."""
        # Infinite values of both signs have no sum.
        with np.errstate(invalid="ignore"):
            return [
                float(np.sum(keras.ops.convert_to_numpy(v), dtype="float64"))
                for v in self.weights
            ]

    def copy(self):
        """The values of all variables, to be given to `restore`."""
        return [
            (v, np.array(keras.ops.convert_to_numpy(v))) for v in self.variables
        ]

    def restore(self, copied):
        """Puts values back that `copy` returned."""
        with self.scope():
            for variable, values in copied:
                variable.assign(values)
