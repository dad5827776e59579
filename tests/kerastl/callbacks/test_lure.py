import keras
import numpy as np
import pytest

import kerastl
from kerastl.callbacks import LURE


def to_numpy(value):
    return keras.ops.convert_to_numpy(value).copy()


@pytest.fixture
def make_tuner(make_network):
    def make(**kwargs):
        keras.utils.set_random_seed(3)
        tuner = kerastl.FineTuner(make_network())
        kwargs.setdefault("optimizer", keras.optimizers.SGD(0.02, 0.9))
        tuner.compile(loss="sparse_categorical_crossentropy", **kwargs)
        return tuner

    return make


def _fit(model, images, labels, epochs, callbacks, **kwargs):
    return model.fit(
        images,
        labels,
        batch_size=8,
        shuffle=False,
        verbose=0,
        epochs=epochs,
        callbacks=callbacks,
        **kwargs,
    ).history["loss"]


def test_saliency_of_a_linear_classifier(images, labels):
    """Where the gradient has a closed form."""
    inputs = keras.Input((16, 16, 3))
    x = keras.layers.GlobalAveragePooling2D()(inputs)
    x = keras.layers.Rescaling(1 / 255)(x)
    outputs = keras.layers.Dense(3, "softmax", name="head")(x)
    model = keras.Model(inputs, outputs)
    model.compile("sgd", "sparse_categorical_crossentropy")
    lure = LURE((images, labels), batch_size=8)
    lure.set_model(model)
    (variable, found), (offset, found_of_bias) = lure.saliency()
    assert np.abs(to_numpy(offset)).max() == found_of_bias.max() == 0
    kernel = to_numpy(variable)
    features = images.mean(axis=(1, 2)) / 255
    total = 0
    for start in range(0, 24, 8):
        part = slice(start, start + 8)
        logits = features[part] @ kernel
        raised = np.exp(logits - logits.max(axis=1, keepdims=True))
        error = raised / raised.sum(axis=1, keepdims=True)
        error -= np.eye(3)[labels[part]]
        total = total + np.abs(features[part].T @ error / 8)
    np.testing.assert_allclose(found, total * np.abs(kernel), rtol=1e-3)
    # Of the first batches alone.
    totals = []
    for batches in (1, 2, None):
        lure = LURE((images, labels), batch_size=8, batches=batches)
        lure.set_model(model)
        totals.append(lure.saliency()[0][1])
    assert (totals[0] < totals[1]).all() and (totals[1] < totals[2]).all()
    np.testing.assert_allclose(totals[2], found, rtol=1e-5)


@pytest.mark.parametrize("fraction", [0.2, 0.5])
def test_the_least_salient_are_drawn_anew(make_tuner, images, labels, fraction):
    tuner = make_tuner()
    _fit(tuner, images, labels, 1, [])
    lure = LURE((images, labels), 2, fraction, seed=4)
    lure.set_model(tuner)
    student = tuner.student
    statistics = [to_numpy(v) for v in student.non_trainable_variables]
    saliency = lure.saliency()
    # Biases count among the lowest, but stay.
    assert {v.name for v, _ in saliency} == {"kernel", "gamma", "beta", "bias"}
    before = [to_numpy(variable) for variable, _ in saliency]
    lure.begin_period(1)
    changed = [
        to_numpy(variable) != old
        for (variable, _), old in zip(saliency, before, strict=True)
    ]
    flat = np.concatenate([values.ravel() for _, values in saliency])
    lowest = flat <= np.sort(flat)[int(fraction * flat.size) - 1]
    spared = np.concatenate(
        [
            np.full(old.size, variable.name in ("beta", "bias"))
            for (variable, _), old in zip(saliency, before, strict=True)
        ]
    )
    mask = np.concatenate([each.ravel() for each in changed])
    assert lowest.mean() == pytest.approx(fraction, abs=0.01)
    assert (lowest & spared).any()
    np.testing.assert_array_equal(mask, lowest & ~spared)
    for old, new in zip(
        statistics, student.non_trainable_variables, strict=True
    ):
        np.testing.assert_array_equal(old, to_numpy(new))
    # Evenly up to 1 / sqrt(inputs), and scales from -1 to 1.
    for (variable, _), new in zip(saliency, changed, strict=True):
        drawn = to_numpy(variable)[new]
        if not drawn.size:
            continue
        bound = 1.0
        if variable.name == "kernel":
            bound = 1 / np.sqrt(np.prod(variable.shape[:-1]))
        assert np.abs(drawn).max() <= bound
        if drawn.size > 40:
            assert np.abs(drawn).max() > 0.9 * bound
            assert abs(drawn.mean()) < 0.3 * bound


def test_scales_are_drawn_evenly_around_zero(make_tuner, images, labels):
    """As published, though they start at 1."""
    lure = LURE((images, labels), 2, 0.99, seed=4)
    tuner = make_tuner()
    lure.set_model(tuner)
    lure.begin_period(1)
    scales = np.concatenate(
        [
            to_numpy(variable)
            for variable in tuner.student.trainable_variables
            if variable.name == "gamma"
        ]
    )
    drawn = scales[scales != 1]
    assert len(drawn) > 20
    assert -1 < drawn.min() < -0.8 and 0.8 < drawn.max() < 1
    assert abs(drawn.mean()) < 0.3


def test_ties_are_drawn_together():
    """Weights that nothing depends on all have the lowest saliency, 0."""
    model = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(2, "softmax", name="head")]
    )
    model.compile("sgd", "sparse_categorical_crossentropy")
    images = np.ones((6, 4), "float32") * [0, 0, 0, 1]
    lure = LURE((images, np.arange(6) % 2), fraction=0.2, seed=1)
    lure.set_model(model)
    before = to_numpy(model.layers[0].kernel)
    lure.begin_period(1)
    changed = to_numpy(model.layers[0].kernel) != before
    # Six weights and two biases of zero, of which 2 were asked for.
    np.testing.assert_array_equal(changed, [[1, 1]] * 3 + [[0, 0]])


def test_frozen_layers_stay(make_tuner, images, labels):
    tuner = make_tuner()
    frozen = tuner.student.get_layer("stem_conv")
    frozen.trainable = False
    before = to_numpy(frozen.kernel)
    lure = LURE((images, labels), 2, 0.9, seed=4)
    _fit(tuner, images, labels, 2, [lure])
    np.testing.assert_array_equal(before, to_numpy(frozen.kernel))


def test_it_works_on_periods(make_tuner, images, labels):
    seen = []
    lure = LURE((images, labels), 3, seed=4)
    begin = lure.begin_period
    lure.begin_period = lambda epoch: (seen.append(epoch), begin(epoch))
    loss = _fit(make_tuner(), images, labels, 7, [lure])
    assert seen == lure.epochs == [2, 4]
    assert np.isfinite(loss).all()


@pytest.mark.parametrize("reset", [True, False, None])
def test_the_momentum(make_tuner, images, labels, reset):
    tuner = make_tuner()
    options = {} if reset is None else {"reset_optimizer": reset}
    lure = LURE((images, labels), 2, seed=4, **options)
    _fit(tuner, images, labels, 2, [lure])
    lure.begin_period(1)
    momenta = [
        np.abs(to_numpy(v)).max()
        for v in tuner.optimizer.variables
        if v.name.endswith("_momentum")
    ]
    assert len(momenta) == len(tuner.trainable_variables)
    # As published, it stays.
    assert (max(momenta) == 0) == bool(reset)


def test_a_resumed_training_draws_the_same(
    make_tuner, images, labels, tmp_path
):
    def run(tuner, **kwargs):
        _fit(
            tuner,
            images,
            labels,
            3,
            [LURE((images, labels), 3, seed=5), *kwargs.pop("more", [])],
            **kwargs,
        )
        return [to_numpy(v) for v in tuner.student.variables]

    whole = run(make_tuner())
    first = make_tuner()
    stop = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: setattr(
            first, "stop_training", epoch == 1
        )
    )
    run(first, more=[stop])
    first.save(tmp_path / "tuner.keras")
    resumed = run(
        keras.saving.load_model(tmp_path / "tuner.keras"), initial_epoch=2
    )
    for one, other in zip(whole, resumed, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4)


@pytest.mark.parametrize(
    "kwargs, policy",
    [({}, "mixed_float16"), ({"jit_compile": True}, "float32")],
)
def test_modes(make_tuner, images, labels, kwargs, policy):
    keras.config.set_dtype_policy(policy)
    lure = LURE((images, np.eye(3)[labels]), 2, seed=4)
    loss = _fit(make_tuner(**kwargs), images, labels, 3, [lure])
    assert np.isfinite(loss).all()


def test_errors(make_tuner, images, labels):
    with pytest.raises(ValueError, match="fraction=1"):
        LURE((images, labels), fraction=1)
    with pytest.raises(ValueError, match="periods=4, epochs=2"):
        _fit(make_tuner(), images, labels, 2, [LURE((images, labels))])
    with pytest.raises(ValueError, match="without labels"):
        _fit(make_tuner(), images, labels, 2, [LURE(images, 2)])
    with pytest.raises(ValueError, match="no batch"):
        _fit(make_tuner(), images, labels, 2, [LURE(iter([]), 2)])
