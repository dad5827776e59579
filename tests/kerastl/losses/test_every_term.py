"""What every transfer loss with weights, labels or data of its own can do."""

import importlib
import inspect
import json
import pathlib

import keras
import numpy as np
import pytest

import kerastl
from kerastl import losses
from kerastl.losses import TransferLoss

# Each loss's own test says of what it is to be made, and where its numbers are
# not those of the plain step.
MODULES = [
    module
    for module in (
        importlib.import_module(f"{__package__}.{path.stem}")
        for path in sorted(pathlib.Path(__file__).parent.glob("test_*.py"))
        if path.stem != "test_every_term"
    )
    if hasattr(module, "make_terms")
]


def modules_but(place):
    """The tests of the losses whose numbers are the same in that place."""
    return [
        module
        for module in MODULES
        if place not in getattr(module, "DIFFERS_IN", ())
    ]


@pytest.fixture
def make_tuner(make_network):
    """Builds a tuner with the terms of several tests at once."""

    def make(modules=MODULES, batch_norm="train", **kwargs):
        keras.utils.set_random_seed(11)
        source = make_network(7)
        tuner = kerastl.FineTuner(
            kerastl.replace_head(source, 3), source, batch_norm=batch_norm
        )
        tuner.compile(
            optimizer=keras.optimizers.SGD(0.01, 0.9),
            loss="sparse_categorical_crossentropy",
            transfer_losses=[
                term for module in modules for term in module.make_terms(source)
            ],
            **kwargs,
        )
        return tuner

    return make


@pytest.fixture
def data(images, labels):
    inputs = {
        "images": images[:16],
        "unlabelled": images[8:],
        "index": np.arange(16) + 4,
    }
    return inputs, labels[:16]


def names_of(tuner):
    return {term.name for term in tuner.transfer_losses}


FIT = {"batch_size": 8, "shuffle": False, "verbose": 0}


def assert_close(first, second, rel=1e-3):
    assert first.keys() == second.keys()
    for name in first:
        np.testing.assert_allclose(
            first[name], second[name], rtol=rel, atol=1e-5, err_msg=name
        )


def test_every_term_is_here(make_tuner):
    """Of those that read more than features, and keep anything."""
    keeping = {
        loss
        for loss in vars(losses).values()
        if inspect.isclass(loss)
        and issubclass(loss, TransferLoss)
        and loss.compute is not TransferLoss.compute
        and loss.layers is not TransferLoss.layers
    }
    assert keeping == {type(term) for term in make_tuner().transfer_losses}


@pytest.mark.slow
def test_xla_gives_the_same_numbers(make_tuner, data):
    tuners = [
        make_tuner(modules_but("xla"), jit_compile=jit) for jit in (True, False)
    ]
    compiled, plain = (
        tuner.fit(*data, epochs=2, **FIT).history for tuner in tuners
    )
    assert names_of(tuners[0]) < set(compiled)
    assert_close(compiled, plain)


@pytest.mark.slow
def test_mixed_precision_and_the_same_seed(make_tuner, data):
    keras.config.set_dtype_policy("mixed_float16")
    histories = [
        make_tuner().fit(*data, epochs=2, **FIT).history for _ in range(2)
    ]
    assert histories[0] == histories[1]
    keras.config.set_dtype_policy("float32")
    tuner = make_tuner()
    exact = tuner.fit(*data, epochs=2, **FIT).history
    for name in names_of(tuner):
        np.testing.assert_allclose(
            histories[0][name], exact[name], rtol=0.1, atol=0.02, err_msg=name
        )


GO_ON = """
    import contextlib, json, pathlib, sys
    import keras, numpy as np
    import kerastl
    folder = pathlib.Path(sys.argv[1])
    arrays = dict(np.load(folder / "data.npz"))
    labels = arrays.pop("labels")
    mirrored = "strategy" in globals()
    with strategy.scope() if mirrored else contextlib.nullcontext():
        tuner = keras.saving.load_model(folder / "tuner.keras")
    print(json.dumps(tuner.fit(
        arrays, labels, batch_size=8, verbose=0, shuffle=False
    ).history))
"""


def train_and_save(tuner, data, folder):
    """Trains, saves and trains on."""
    inputs, labels = data
    np.savez(folder / "data.npz", labels=labels, **inputs)
    tuner.fit(*data, epochs=2, **FIT)
    tuner.save(folder / "tuner.keras")
    return tuner.fit(*data, **FIT).history


@pytest.mark.slow
def test_training_goes_on_in_another_process(
    make_tuner, data, tmp_path, run_in_fresh_process
):
    tuner = make_tuner(modules_but("another process"))
    here = train_and_save(tuner, data, tmp_path)
    printed = run_in_fresh_process(GO_ON, tmp_path)
    there = json.loads(printed.splitlines()[-1])
    # Was 0.03 % off once in some thousand runs, all else equal. With queues
    # that are not kept it is half, with such a key encoder 0.3 % more.
    one, other = here.pop("bi_tuning"), there.pop("bi_tuning")
    assert other == pytest.approx(one, rel=1e-3)
    assert_close(there, here, rel=1e-4)


@pytest.mark.slow
@pytest.mark.tensorflow_only
def test_two_replicas(make_tuner, data, tmp_path, run_on_two_replicas):
    """Frozen statistics, so that the split is exact."""
    tuner = make_tuner(modules_but("replicas"), batch_norm="freeze")
    here = train_and_save(tuner, data, tmp_path)
    printed = run_on_two_replicas(GO_ON, tmp_path)
    there = json.loads(printed.splitlines()[-1])
    assert_close(there, here)
