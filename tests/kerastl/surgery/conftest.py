"""What the tests of graph surgery share."""

import keras
import numpy as np
import pytest


@pytest.fixture(scope="session")
def randomise():
    """Gives a model biases and statistics that are not zero and one.

    With fresh ones many mistakes leave no trace.
    """

    def run(model, seed=0):
        rng = np.random.default_rng(seed)
        for variable in model.weights:
            if not keras.backend.is_float_dtype(variable.dtype):
                continue
            if "variance" in variable.path:
                variable.assign(rng.uniform(0.5, 1.5, variable.shape))
            elif len(variable.shape) == 1:
                noise = rng.normal(scale=0.2, size=variable.shape)
                variable.assign(variable + noise.astype("float32"))
        return model

    return run


@pytest.fixture(scope="session")
def variables_by_layer():
    """Values of all variables by layer name and variable name."""

    def run(model, path=""):
        values = {}
        for layer in model.layers:
            name = f"{path}/{layer.name}"
            if hasattr(layer, "layers"):
                values.update(run(layer, name))
                continue
            for i, variable in enumerate(layer.variables):
                values[name, i] = keras.ops.convert_to_numpy(variable)
        return values

    return run
