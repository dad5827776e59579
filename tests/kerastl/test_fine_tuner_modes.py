"""Everything that Keras can do to a training step, done to FineTuner."""

import json

import keras
import numpy as np
import pytest

import kerastl
from kerastl.losses import GlobalLevel
from kerastl.losses import PixelLevel


@pytest.fixture
def make_tuner(make_network):
    def make(**kwargs):
        keras.utils.set_random_seed(11)
        source = make_network(dropout=kwargs.pop("dropout", 0.0))
        student = kerastl.antialias(source)
        tuner = kerastl.FineTuner(
            student, source, batch_norm=kwargs.pop("batch_norm", "train")
        )
        kwargs.setdefault("optimizer", keras.optimizers.SGD(0.01, 0.9))
        tuner.compile(
            loss="sparse_categorical_crossentropy",
            transfer_losses=[PixelLevel(1.0), GlobalLevel(10.0)],
            metrics=["accuracy"],
            **kwargs,
        )
        return tuner

    return make


def _fit(tuner, images, labels, **kwargs):
    return tuner.fit(
        images,
        labels,
        batch_size=8,
        verbose=0,
        **{"shuffle": False, "epochs": 2, **kwargs},
    ).history


def _assert_same(first, second, rel=1e-3):
    assert first.keys() == second.keys()
    for name in first:
        assert first[name] == pytest.approx(second[name], rel=rel), name


def test_same_seed_same_result(make_tuner, images, labels):
    tuners = [make_tuner(dropout=0.3) for _ in range(2)]
    histories = []
    for tuner in tuners:
        keras.utils.set_random_seed(5)
        histories.append(_fit(tuner, images, labels, shuffle=True))
    assert histories[0] == histories[1]
    for a, b in zip(
        tuners[0].get_weights(), tuners[1].get_weights(), strict=True
    ):
        np.testing.assert_array_equal(a, b)


@pytest.mark.tensorflow_only
def test_xla_gives_the_same_numbers(make_tuner, images, labels):
    _assert_same(
        _fit(make_tuner(jit_compile=True), images, labels),
        _fit(make_tuner(jit_compile=False), images, labels),
    )


def test_steps_per_execution(make_tuner, images, labels):
    _assert_same(
        _fit(make_tuner(steps_per_execution=3), images, labels),
        _fit(make_tuner(), images, labels),
    )


def test_gradient_accumulation_waits_for_all_its_steps(
    make_tuner, images, labels
):
    tuner = make_tuner(
        optimizer=keras.optimizers.SGD(0.01, gradient_accumulation_steps=3)
    )
    kernel = tuner.student.get_layer("stem_conv").kernel
    before = kernel.numpy().copy()
    for _ in range(2):
        tuner.train_on_batch(images, labels)
        np.testing.assert_array_equal(kernel.numpy(), before)
    tuner.train_on_batch(images, labels)
    assert np.abs(kernel.numpy() - before).max() > 0


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision(make_tuner, images, labels, policy):
    exact = _fit(make_tuner(), images, labels, epochs=1)
    keras.config.set_dtype_policy(policy)
    tuner = make_tuner()
    half = _fit(tuner, images, labels, epochs=1)
    keras.config.set_dtype_policy("float32")
    assert isinstance(tuner.optimizer, keras.optimizers.LossScaleOptimizer) == (
        policy == "mixed_float16"
    )
    assert half["pixel_level"] == pytest.approx(exact["pixel_level"], rel=0.05)
    assert half["loss"] == pytest.approx(exact["loss"], rel=0.05)
    assert tuner.student.get_layer("stem_conv").kernel.dtype == "float32"


def test_regularizers_of_the_student_count(make_tuner, images, labels):
    tuner = make_tuner(batch_norm="freeze")
    plain = tuner.train_on_batch(images, labels, return_dict=True)["loss"]
    again = make_tuner(batch_norm="freeze")
    kerastl.regularizers.L2(2.0, 2.0).attach(again.student)
    squares = sum(
        float(np.sum(w.numpy() ** 2))
        for w in again.student.trainable_variables
        if w.name == "kernel"
    )
    loss = again.train_on_batch(images, labels, return_dict=True)["loss"]
    assert loss == pytest.approx(plain + squares, rel=1e-4)


def test_a_tuner_goes_on_in_another_process(
    make_tuner, images, labels, tmp_path, run_in_fresh_process
):
    tuner = make_tuner()
    kerastl.regularizers.L2SP(0.1).attach(tuner.student)
    _fit(tuner, images, labels)
    tuner.save(tmp_path / "tuner.keras")
    tuner.student.save(tmp_path / "student.keras")
    np.savez(tmp_path / "data.npz", images=images, labels=labels)
    printed = run_in_fresh_process(
        """
        import json, sys
        import keras, numpy as np
        import kerastl
        folder = sys.argv[1]
        data = np.load(folder + "/data.npz")
        tuner = keras.models.load_model(folder + "/tuner.keras")
        student = keras.models.load_model(folder + "/student.keras")
        same = np.abs(
            student.predict(data["images"], verbose=0)
            - tuner.predict(data["images"], verbose=0)
        ).max()
        history = tuner.fit(
            data["images"], data["labels"], batch_size=8, verbose=0,
            shuffle=False,
        ).history
        print(json.dumps({
            "history": history, "same": float(same), "taps": tuner.taps,
            "trainable": [len(tuner.trainable_variables),
                          len(tuner.source.trainable_variables)],
            "weights": [t.weight for t in tuner.transfer_losses],
        }))
        """,
        tmp_path,
    )
    reloaded = json.loads(printed.splitlines()[-1])
    _assert_same(
        reloaded["history"], _fit(tuner, images, labels, epochs=1), rel=1e-4
    )
    assert reloaded["same"] < 1e-6
    assert reloaded["taps"] == tuner.taps
    assert reloaded["weights"] == [1.0, 10.0]
    assert reloaded["trainable"] == [4 * 3 + 2, 0]


@pytest.mark.tensorflow_only
def test_two_replicas_give_the_numbers_of_one(
    make_tuner, images, labels, tmp_path, run_on_two_replicas
):
    """Two virtual CPUs; frozen statistics, so that the split is exact."""
    tuner = make_tuner(batch_norm="freeze")
    tuner.save(tmp_path / "tuner.keras")
    np.savez(tmp_path / "data.npz", images=images, labels=labels)
    printed = run_on_two_replicas(
        """
        import json, sys
        import keras, numpy as np
        import kerastl
        folder = sys.argv[1]
        data = np.load(folder + "/data.npz")
        with strategy.scope():
            tuner = keras.models.load_model(folder + "/tuner.keras")
            kerastl.regularizers.L2SP(0.1).attach(tuner.student)
        history = tuner.fit(
            data["images"], data["labels"], batch_size=8, verbose=0,
            shuffle=False, epochs=2,
            validation_data=(data["images"], data["labels"]),
        ).history
        print(json.dumps([strategy.num_replicas_in_sync, history]))
        """,
        tmp_path,
    )
    replicas, history = json.loads(printed.splitlines()[-1])
    assert replicas == 2
    kerastl.regularizers.L2SP(0.1).attach(tuner.student)
    _assert_same(
        history,
        _fit(tuner, images, labels, validation_data=(images, labels)),
        rel=1e-4,
    )


def test_a_tuner_that_was_never_compiled_is_saved_too(
    make_network, images, tmp_path
):
    tuner = kerastl.FineTuner(make_network(), make_network())
    tuner.save(tmp_path / "tuner.keras")
    again = keras.saving.load_model(tmp_path / "tuner.keras")
    assert not again.compiled
    np.testing.assert_array_equal(
        keras.ops.convert_to_numpy(again.student(images)),
        keras.ops.convert_to_numpy(tuner.student(images)),
    )
