import json
import types

import keras
import numpy as np
import pytest

import kerastl
from kerastl.callbacks import KeepClusters
from kerastl.callbacks import MagnitudePruning
from kerastl.callbacks import WeightClustering
from kerastl.callbacks.weight_callback import ClusteringConstraint


def _num_values(kernels):
    return {name: len(np.unique(kernel)) for name, kernel in kernels.items()}


@pytest.mark.parametrize(
    ("initialization", "compiled"),
    [("linear", False), ("density", False), ("kmeans++", True)],
)
def test_few_values_in_every_step(
    compressible, train, watcher, initialization, compiled
):
    model = compressible(keras.optimizers.Adam(0.01), jit_compile=compiled)
    train(model, WeightClustering(4, initialization), watcher)
    for before, after in zip(watcher.seen, watcher.seen[1:], strict=False):
        for name, kernel in after.items():
            assert 2 <= len(np.unique(kernel)) <= 4, name
            assert np.any(kernel != before[name])
    assert model.get_layer("head").kernel.constraint is None


def test_centroids_follow_the_mean_gradient(compressible, train, kernels_of):
    """SGD on the weights, then the mean of every cluster, by hand."""
    model = compressible(keras.optimizers.SGD(0.1))
    model.layers[1].trainable = False
    clustered = kerastl.surgery.cluster_weights(model, 4)
    before = kernels_of(clustered)["head"]
    results = []
    for callbacks in ([], [WeightClustering(4)]):
        copy = kerastl.surgery.copy_model(clustered)
        copy.get_layer("backbone").trainable = False
        copy.compile("sgd", "sparse_categorical_crossentropy")
        train(copy, *callbacks, batch_size=16, epochs=1)
        results.append(kernels_of(copy)["head"])
    free, tied = results
    for value in np.unique(before):
        members = before == value
        np.testing.assert_allclose(
            tied[members], free[members].mean(), rtol=1e-4, atol=1e-6
        )
    assert np.any(tied != before)


def test_first_epoch(compressible, train, watcher):
    train(compressible(), WeightClustering(4, first_epoch=1), watcher)
    assert len(np.unique(watcher.seen[3]["conv"])) > 4
    assert len(np.unique(watcher.seen[4]["conv"])) <= 4


def test_two_that_hold_the_same_kernel(compressible, train):
    model = compressible()
    with pytest.raises(ValueError, match="keep_zeros=True"):
        train(model, MagnitudePruning(0.5), WeightClustering(4))
    # What was left behind does not count in the next training.
    train(model, WeightClustering(4), epochs=1)
    assert model.get_layer("head").kernel.constraint is None


def test_constraint():
    labels = np.array([[1, 2, 0], [2, 1, 2]])
    constraint = ClusteringConstraint(labels, 3)
    weights = np.array([[1.0, 2, 3], [4, 5, 9]], "float32")
    found = keras.ops.convert_to_numpy(constraint(weights))
    np.testing.assert_allclose(found, [[3, 5, 0], [5, 3, 5]])


def test_zeros_are_kept(compressible, train, kernels_of):
    model = compressible()
    pruned = kerastl.surgery.prune_weights(model, 0.5)
    before = kernels_of(pruned)
    pruned.compile("adam", "sparse_categorical_crossentropy")
    train(pruned, WeightClustering(5, keep_zeros=True))
    after = kernels_of(pruned)
    assert max(_num_values(after).values()) <= 5
    for name, kernel in after.items():
        np.testing.assert_array_equal(kernel == 0, before[name] == 0)
    # On to a training that has to find out itself.
    train(pruned, KeepClusters())
    assert max(_num_values(kernels_of(pruned)).values()) <= 5
    for name, kernel in kernels_of(pruned).items():
        np.testing.assert_array_equal(kernel == 0, before[name] == 0)
        assert np.any(kernel != after[name])


def _kernel(numbers):
    """A kernel of so many values, two of each."""
    values = np.tile(np.linspace(1, 2, numbers), 2).astype("float32")
    return types.SimpleNamespace(numpy=lambda: values.reshape(1, 1, 2, -1))


@pytest.mark.parametrize(
    ("options", "most"), [({}, 256), ({"max_clusters": 8}, 8)]
)
def test_as_many_values_as_may_be_are_kept(options, most):
    """By default as many as 8 bits tell apart."""
    keep = KeepClusters(**options)
    held = keep.make_constraint(_kernel(most))
    labels = keras.ops.convert_to_numpy(held.labels)
    assert len(np.unique(labels)) == most
    # None of them is zero, so nothing is held.
    assert keep.make_constraint(_kernel(most + 1)) is None


def test_depthwise_clusters_are_kept_too(compressible, train, kernels_of):
    clustered = kerastl.surgery.cluster_weights(
        compressible(), 4, depthwise=True
    )
    before = kernels_of(clustered, depthwise=True)["depthwise"]
    clustered.compile("adam", "sparse_categorical_crossentropy")
    train(clustered, KeepClusters())
    after = kernels_of(clustered, depthwise=True)["depthwise"]
    assert np.any(after != before)
    assert len(np.unique(after)) == len(np.unique(before)) == 4


def test_sixteen_values_and_no_depthwise_kernel_by_default(
    compressible, train, kernels_of
):
    model = compressible()
    train(model, WeightClustering(), epochs=1)
    kernels = kernels_of(model, depthwise=True)
    numbers = _num_values(kernels)
    assert numbers["conv"] == 16
    assert numbers["depthwise"] == kernels["depthwise"].size


def test_kernels_of_many_values_are_left(compressible, train, kernels_of):
    model = compressible()
    train(model, KeepClusters(max_clusters=8))
    numbers = _num_values(kernels_of(model))
    assert numbers["conv"] == 3 * 3 * 3 * 8


def test_a_killed_training_goes_on(
    compressible, train, kernels_of, run_in_fresh_process, tmp_path
):
    model = compressible()
    train(model, WeightClustering(4), epochs=1)
    before = kernels_of(model)
    model.save(tmp_path / "model.keras")
    printed = run_in_fresh_process(
        """
        import sys, json, keras, numpy as np, kerastl
        model = keras.models.load_model(sys.argv[1])
        x = np.random.default_rng(0).normal(size=(8, 8, 8, 3))
        model.fit(x, np.arange(8) % 3, epochs=2, initial_epoch=1, verbose=0,
                  callbacks=[kerastl.callbacks.WeightClustering(4)])
        print(json.dumps(np.array(model.get_layer("head").kernel).tolist()))
        """,
        tmp_path / "model.keras",
    )
    after = np.array(json.loads(printed.splitlines()[-1]))
    pairs = set(zip(before["head"].ravel(), after.ravel(), strict=True))
    assert len(pairs) == len(np.unique(before["head"]))
    assert np.any(after != before["head"])


def test_clusters_the_student_of_a_fine_tuner(compressible, train, kernels_of):
    source = compressible()
    tuner = kerastl.FineTuner(kerastl.surgery.copy_model(source), source=source)
    tuner.compile(
        "adam",
        "sparse_categorical_crossentropy",
        transfer_losses=[kerastl.losses.PixelLevel(1.0)],
    )
    train(tuner, WeightClustering(4, depthwise=True))
    numbers = _num_values(kernels_of(tuner.student, depthwise=True))
    assert max(numbers.values()) <= 4


def test_mixed_precision(compressible, train, kernels_of):
    keras.config.set_dtype_policy("mixed_float16")
    model = compressible()
    train(model, WeightClustering(4))
    assert max(_num_values(kernels_of(model)).values()) <= 4


def test_errors(compressible, train):
    with pytest.raises(ValueError, match="num_clusters=1"):
        WeightClustering(1)
    with pytest.raises(ValueError, match="initialization"):
        WeightClustering(4, "random")
    with pytest.raises(ValueError, match="Did you mean 'head'"):
        train(compressible(), WeightClustering(4, layers=["haed"]))
