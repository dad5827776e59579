import json

import keras
import numpy as np
import pytest

import kerastl
from kerastl.callbacks import KeepZeros
from kerastl.callbacks import MagnitudePruning
from kerastl.schedules import ConstantSparsity
from kerastl.schedules import PolynomialSparsity

# Steps 0 to 8: 1/2 of the way at step 2, final from step 4 on.
SCHEDULE = PolynomialSparsity(0.0, 0.75, 0, 4, power=1, frequency=2)


def _expected_kept(size, sparsity):
    return max(int(np.rint(size * (1 - sparsity))), 1)


def _assert_sparsity(kernels, sparsity):
    for name, kernel in kernels.items():
        kept = _expected_kept(kernel.size, sparsity)
        assert np.count_nonzero(kernel) == kept, name


@pytest.mark.parametrize(
    "optimizer",
    [
        lambda: keras.optimizers.SGD(0.1, momentum=0.9, nesterov=True),
        lambda: keras.optimizers.Adam(0.01),
        lambda: keras.optimizers.AdamW(0.01),
    ],
)
def test_sparsity_follows_the_schedule_in_every_step(
    compressible, train, watcher, optimizer
):
    model = compressible(optimizer())
    history = train(model, MagnitudePruning(SCHEDULE), watcher).history
    for step, kernels in enumerate(watcher.seen):
        change = SCHEDULE.last_change(step)
        _assert_sparsity(kernels, SCHEDULE(change))
    # What was pruned last stays, while momentum pushes.
    for before, after in zip(watcher.seen[4:], watcher.seen[5:], strict=False):
        for name in before:
            assert not np.any(after[name][before[name] == 0])
            assert np.any(after[name] != before[name])
    total = sum(kernel.size for kernel in watcher.seen[-1].values())
    zeros = sum(np.sum(kernel == 0) for kernel in watcher.seen[-1].values())
    assert history["sparsity"][-1] == pytest.approx(zeros / total)


@pytest.mark.parametrize(
    "schedule",
    [
        PolynomialSparsity(0.0, 0.75, 0, 5),
        PolynomialSparsity(0.0, 0.75, 1, 4),
        ConstantSparsity(0.75, begin_step=5),
        0.75,
    ],
)
def test_a_run_of_five_steps_reaches_the_final_sparsity(
    compressible, train, kernels_of, schedule
):
    model = compressible()
    steps = dict(epochs=5, steps_per_epoch=1, batch_size=16)
    history = train(model, MagnitudePruning(schedule), **steps).history
    assert int(model.optimizer.iterations) == 5
    _assert_sparsity(kernels_of(model), 0.75)
    assert history["sparsity"][-1] == pytest.approx(0.75, abs=0.01)


@pytest.mark.parametrize(
    "schedule, reached",
    [
        (PolynomialSparsity(0.0, 0.75, 0, 100, power=1), "4%"),
        (PolynomialSparsity(0.0, 0.75, 0, 4, frequency=100), "0%"),
        (ConstantSparsity(0.75, begin_step=9), "0%"),
    ],
)
def test_says_that_a_run_is_too_short(
    compressible, train, kernels_of, schedule, reached
):
    model = compressible()
    message = f"step 8.* {reached} of the weights"
    with pytest.warns(UserWarning, match=message) as caught:
        train(model, MagnitudePruning(schedule))
    # Once, not in every epoch.
    assert sum("before the pruning" in str(w.message) for w in caught) == 1
    zeros = int(reached[:-1]) / 100
    kernel = kernels_of(model)["separable"]
    assert np.mean(kernel == 0) == pytest.approx(zeros, abs=0.02)


def test_epochs_that_are_over_do_not_count(compressible, train, recwarn):
    """A training that goes on at its third epoch has one left."""
    going_on = dict(epochs=3, initial_epoch=2)
    train(compressible(), MagnitudePruning(SCHEDULE), **going_on)
    assert not any("before the pruning" in str(w.message) for w in recwarn)
    longer = PolynomialSparsity(0.0, 0.75, 0, 8, power=1, frequency=2)
    with pytest.warns(UserWarning, match="step 4.* 38% of.* ends at 75%"):
        train(compressible(), MagnitudePruning(longer), **going_on)


def test_the_smallest_go(compressible, train, kernels_of):
    model = compressible(keras.optimizers.SGD(0.0))
    before = kernels_of(model)
    train(model, MagnitudePruning(0.6), epochs=1)
    for name, kernel in kernels_of(model).items():
        magnitudes = np.abs(before[name])
        kept = _expected_kept(kernel.size, 0.6)
        threshold = np.sort(magnitudes, axis=None)[-kept]
        expected = np.where(magnitudes >= threshold, before[name], 0)
        np.testing.assert_array_equal(kernel, expected)


def test_global_ranks_all_kernels_together(compressible, train, kernels_of):
    model = compressible(keras.optimizers.SGD(0.0))
    kernels = kernels_of(model)
    head = next(layer for layer in model.layers if layer.name == "head")
    head.kernel.assign(1e-3 * kernels["head"])
    before = np.concatenate([w.ravel() for w in kernels_of(model).values()])
    train(model, MagnitudePruning(0.5, scope="global"), epochs=1)
    after = kernels_of(model)
    # The small head loses all but the one that every kernel keeps.
    assert np.count_nonzero(after["head"]) == 1
    assert np.count_nonzero(after["separable"]) > after["separable"].size // 2
    together = np.concatenate([w.ravel() for w in after.values()])
    assert np.count_nonzero(together) == before.size // 2 + 1


def test_pattern_along_input_channels(compressible, train, watcher):
    model = compressible()
    train(model, MagnitudePruning(0.0, pattern=(2, 4)), watcher)
    for kernels in watcher.seen:
        blocks = np.moveaxis(kernels["separable"], -2, -1).reshape(-1, 4)
        assert np.all(np.count_nonzero(blocks, axis=-1) == 2)
        # Three input channels are one short block.
        assert np.all(np.count_nonzero(kernels["conv"], axis=-2) == 2)
        dense = kernels["head"].T.reshape(-1, 4)
        assert np.all(np.count_nonzero(dense, axis=-1) == 2)


def test_layers_by_name_and_depthwise(compressible, train, kernels_of):
    model = compressible()
    train(model, MagnitudePruning(0.5, layers=["depthwise"]), epochs=1)
    kernels = kernels_of(model, depthwise=True)
    assert np.count_nonzero(kernels.pop("depthwise")) == 36
    assert all(np.all(kernel) for kernel in kernels.values())
    other = compressible()
    train(other, MagnitudePruning(0.5), epochs=1)
    _assert_sparsity(kernels_of(other), 0.5)
    assert np.all(kernels_of(other, depthwise=True)["depthwise"])
    train(other, MagnitudePruning(0.5, depthwise=True), epochs=1)
    _assert_sparsity(kernels_of(other, depthwise=True), 0.5)


def test_leaves_a_plain_model(compressible, train, tmp_path):
    model = compressible()
    train(model, MagnitudePruning(0.5), epochs=1)
    assert all(v.constraint is None for v in model.trainable_variables)
    # Without the callback the weights are free again.
    train(model, epochs=1)
    assert np.all(model.get_layer("head").kernel)


def test_keeps_the_constraint_that_a_weight_has(compressible, train):
    model = compressible()
    head = model.get_layer("head").kernel
    head.constraint = keras.constraints.MaxNorm(0.1)
    train(model, MagnitudePruning(0.5))
    norms = np.linalg.norm(keras.ops.convert_to_numpy(head), axis=0)
    assert np.all(norms <= 0.1 + 1e-6)
    assert np.count_nonzero(head) == head.shape[0] * head.shape[1] // 2
    assert isinstance(head.constraint, keras.constraints.MaxNorm)


def test_an_interrupted_training_leaves_nothing_behind(compressible, train):
    class Stop(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            raise KeyboardInterrupt

    model = compressible()
    pruning = MagnitudePruning(0.5)
    with pytest.raises(KeyboardInterrupt):
        train(model, pruning, Stop())
    train(model, pruning)
    assert model.get_layer("head").kernel.constraint is None
    assert np.count_nonzero(model.get_layer("head").kernel) == 12


@pytest.mark.parametrize(
    "options",
    [
        dict(jit_compile=True),
        pytest.param(
            dict(steps_per_execution=2), marks=pytest.mark.tensorflow_only
        ),
    ],
)
def test_same_numbers_compiled(compressible, train, kernels_of, options):
    results = []
    for kwargs in (options, dict(jit_compile=False)):
        model = compressible(**kwargs)
        train(model, MagnitudePruning(SCHEDULE))
        results.append(kernels_of(model))
        _assert_sparsity(results[-1], 0.75)
    for name, kernel in results[0].items():
        np.testing.assert_allclose(kernel, results[1][name], atol=1e-5)


def test_mixed_precision(compressible, train, kernels_of):
    keras.config.set_dtype_policy("mixed_float16")
    model = compressible()
    train(model, MagnitudePruning(ConstantSparsity(0.5, frequency=2)))
    _assert_sparsity(kernels_of(model), 0.5)


def test_prunes_the_student_of_a_fine_tuner(compressible, train, kernels_of):
    source = compressible()
    tuner = kerastl.FineTuner(kerastl.surgery.copy_model(source), source=source)
    tuner.compile(
        keras.optimizers.SGD(0.1, momentum=0.9),
        "sparse_categorical_crossentropy",
        transfer_losses=[kerastl.losses.PixelLevel(1.0)],
    )
    train(tuner, MagnitudePruning(0.5))
    _assert_sparsity(kernels_of(tuner.student), 0.5)
    assert all(np.all(kernel) for kernel in kernels_of(source).values())


def test_a_killed_training_goes_on(
    compressible, train, kernels_of, run_in_fresh_process, tmp_path
):
    path = tmp_path / "model.keras"
    save = keras.callbacks.ModelCheckpoint(path, save_freq="epoch")
    half = compressible()
    train(half, MagnitudePruning(SCHEDULE), save, epochs=1)
    whole = compressible()
    train(whole, MagnitudePruning(SCHEDULE))
    rng = np.random.default_rng(0)
    np.savez(
        tmp_path / "data.npz",
        images=rng.normal(size=(16, 8, 8, 3)).astype("float32"),
        labels=rng.integers(0, 3, 16),
    )
    printed = run_in_fresh_process(
        """
        import sys, json, keras, numpy as np, kerastl
        from kerastl.surgery.find_kernels import find_kernels
        data = np.load(sys.argv[2])
        model = keras.models.load_model(sys.argv[1])
        schedule = kerastl.schedules.PolynomialSparsity(
            0.0, 0.75, 0, 4, power=1, frequency=2)
        model.fit(
            data["images"], data["labels"], batch_size=4, shuffle=False,
            epochs=2, initial_epoch=1, verbose=0,
            callbacks=[kerastl.callbacks.MagnitudePruning(schedule)])
        print(json.dumps({
            kernel.layer.name: kernel.numpy().tolist()
            for kernel in find_kernels(model)}))
        """,
        path,
        tmp_path / "data.npz",
    )
    resumed = json.loads(printed.splitlines()[-1])
    for name, kernel in kernels_of(whole).items():
        np.testing.assert_allclose(resumed[name], kernel, atol=1e-5)
        np.testing.assert_array_equal(np.array(resumed[name]) == 0, kernel == 0)


@pytest.mark.tensorflow_only
def test_two_replicas(run_on_two_replicas):
    printed = run_on_two_replicas(
        """
        import keras, numpy as np, kerastl
        with strategy.scope():
            model = keras.Sequential([
                keras.Input((8,)), keras.layers.Dense(8, name="one"),
                keras.layers.Dense(3)])
            model.compile(keras.optimizers.SGD(0.1, momentum=0.9), "mse")
        x = np.random.default_rng(0).normal(size=(16, 8)).astype("float32")
        model.fit(x, x[:, :3], batch_size=4, epochs=2, verbose=0, callbacks=[
            kerastl.callbacks.MagnitudePruning(0.5)])
        copies = model.get_layer("one").kernel.value.values
        counts = {int(np.count_nonzero(copy)) for copy in copies}
        print(strategy.num_replicas_in_sync, counts)
        """
    )
    assert printed.splitlines()[-1] == "2 {32}"


def test_errors(compressible, train):
    with pytest.raises(ValueError, match="sparsity"):
        MagnitudePruning(1.5)
    with pytest.raises(ValueError, match="scope"):
        MagnitudePruning(0.5, scope="network")
    with pytest.raises(ValueError, match="pattern"):
        MagnitudePruning(0.5, pattern=(4, 4))
    with pytest.raises(ValueError, match="Did you mean 'head'"):
        train(compressible(), MagnitudePruning(0.5, layers=["haed"]))


def test_zeros_stay_and_the_rest_trains(compressible, train, kernels_of):
    model = compressible()
    pruned = kerastl.surgery.prune_weights(model, 0.5, depthwise=True)
    pruned.compile("adam", "sparse_categorical_crossentropy")
    before = kernels_of(pruned, depthwise=True)
    train(pruned, KeepZeros())
    for name, kernel in kernels_of(pruned, depthwise=True).items():
        np.testing.assert_array_equal(kernel == 0, before[name] == 0)
        assert np.mean(kernel == 0) == 0.5
        assert np.mean(kernel != before[name]) > 0.25


def test_a_kernel_of_zeros_is_left_to_train(compressible, train):
    model = compressible()
    head = model.get_layer("head").kernel
    head.assign(np.zeros(head.shape))
    train(model, KeepZeros())
    assert np.all(head)


def test_finds_zeros_that_another_callback_restores(
    compressible, train, kernels_of, tmp_path
):
    class Restore(kerastl.callbacks.StopOnDivergence):
        def on_train_begin(self, logs=None):
            self.model.get_layer("head").kernel.assign(np.eye(8, 3))

    model = compressible()
    train(model, KeepZeros(), Restore())
    assert np.count_nonzero(kernels_of(model)["head"]) == 3
