"""Networks whose single steps are looked at."""

import re

import keras
import pytest
from keras import ops

import kerastl


@pytest.fixture
def make_model(make_network):
    """Compiles the same network with one optimizer or another."""

    def make(
        optimizer,
        rewrite=lambda network: network,
        jit_compile=False,
        tuner=False,
    ):
        keras.utils.set_random_seed(2)
        model = rewrite(make_network())
        chosen = optimizer(model)
        if tuner:
            model = kerastl.FineTuner(model)
        model.compile(
            chosen, "sparse_categorical_crossentropy", jit_compile=jit_compile
        )
        return model

    return make


@pytest.fixture
def step():
    """What one training step changes, by weight."""

    def run(model, images, labels):
        before = _values(model)
        model.train_on_batch(images, labels)
        after = _values(model)
        return {path: after[path] - before[path] for path in before}

    return run


def _values(model):
    return {
        # Keras counts the cells of all networks up.
        re.sub(r"_cell_\d+", "_cell", weight.path): ops.convert_to_numpy(
            weight
        ).copy()
        for weight in model.trainable_variables
    }
