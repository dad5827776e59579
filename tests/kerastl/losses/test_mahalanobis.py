import keras
import numpy as np
import pytest

import kerastl
from kerastl.losses import Mahalanobis
from kerastl.metrics import fit_gaussians
from kerastl.metrics import mahalanobis_score

TAPS = ["block1_add", "block2_add"]


@pytest.fixture
def make_tuner(make_network, images):
    def make(**kwargs):
        keras.utils.set_random_seed(4)
        network = make_network()
        gaussians = fit_gaussians(network, images[:12], TAPS)
        student = kerastl.surgery.copy_model(network)
        tuner = kerastl.FineTuner(
            student, network, taps=TAPS, batch_norm="freeze"
        )
        tuner.compile(
            keras.optimizers.SGD(1e-3),
            "sparse_categorical_crossentropy",
            transfer_losses=[
                Mahalanobis(gaussians, 0.5, tap_weights={"block1_add": 2.0})
            ],
            **kwargs,
        )
        return tuner, gaussians

    return make


def test_value(make_tuner, images, labels):
    tuner, gaussians = make_tuner()
    expected = sum(
        weight
        * mahalanobis_score(
            tuner.student, images[12:], {tap: gaussians[tap]}
        ).mean()
        for tap, weight in (("block1_add", 2.0), ("block2_add", 1.0))
    )
    plain = tuner.evaluate(images[12:], labels[12:], verbose=0)
    logs = tuner.train_on_batch(images[12:], labels[12:], return_dict=True)
    assert logs["mahalanobis"] == pytest.approx(expected, rel=1e-3)
    assert logs["loss"] == pytest.approx(plain + 0.5 * expected, rel=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize(
    "policy, jit_compile",
    [("float32", True), ("mixed_float16", False), ("mixed_bfloat16", False)],
)
def test_training_comes_nearer(make_tuner, images, labels, policy, jit_compile):
    keras.config.set_dtype_policy(policy)
    tuner, _ = make_tuner(jit_compile=jit_compile)
    history = tuner.fit(
        images, labels, batch_size=8, epochs=4, shuffle=False, verbose=0
    ).history["mahalanobis"]
    assert history[-1] < history[0]


def test_no_gradient_where_there_is_no_distance():
    """The root is steepest at 0: the gradient there must not be infinite."""
    gaussian = kerastl.metrics.Gaussian(np.ones(4), np.eye(4))
    term = Mahalanobis({"tap": gaussian})
    inputs = keras.Input((4,))
    outputs = keras.layers.Dense(
        4, use_bias=False, kernel_initializer="identity", name="tap"
    )(inputs)
    network = keras.Model(inputs, outputs)
    tuner = kerastl.FineTuner(network, network, taps=["tap"])
    tuner.compile(keras.optimizers.SGD(1.0), "mse", transfer_losses=[term])
    logs = tuner.train_on_batch(
        np.ones((3, 4)), np.ones((3, 4)), return_dict=True
    )
    assert logs["mahalanobis"] == pytest.approx(0, abs=1e-5)
    kernel = keras.ops.convert_to_numpy(network.get_layer("tap").kernel)
    np.testing.assert_allclose(kernel, np.eye(4), atol=1e-5)


@pytest.mark.slow
def test_the_gaussians_are_saved(
    make_tuner, images, labels, tmp_path, run_in_fresh_process
):
    tuner, _ = make_tuner()
    tuner.fit(images, labels, batch_size=8, verbose=0)
    tuner.save(tmp_path / "tuner.keras")
    np.savez(tmp_path / "data.npz", images=images, labels=labels)
    printed = run_in_fresh_process(
        """
        import sys
        import keras, numpy as np
        import kerastl
        data = np.load(sys.argv[2])
        tuner = keras.saving.load_model(sys.argv[1])
        logs = tuner.train_on_batch(
            data["images"], data["labels"], return_dict=True
        )
        print(float(logs["mahalanobis"]))
        """,
        tmp_path / "tuner.keras",
        tmp_path / "data.npz",
    )
    tuner.reset_metrics()
    logs = tuner.train_on_batch(images, labels, return_dict=True)
    assert float(printed.split()[-1]) == pytest.approx(
        float(logs["mahalanobis"]), rel=1e-4
    )


def test_no_gaussians():
    with pytest.raises(ValueError, match="fit_gaussians"):
        Mahalanobis()
