import numpy as np

import kerastl
from kerastl.callbacks import KeepZeros


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
