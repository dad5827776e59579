import keras
import numpy as np
import pytest
from keras import layers

import kerastl


@pytest.fixture
def regression():
    """Softmax regression: its Fisher information has a closed form."""
    generator = np.random.default_rng(0)
    model = keras.Sequential(
        [
            keras.Input((4,)),
            layers.Dense(
                3,
                activation="softmax",
                kernel_regularizer=keras.regularizers.L2(1.0),
                name="head",
            ),
        ],
        name="net",
    )
    kernel = generator.normal(size=(4, 3))
    bias = generator.normal(size=3)
    model.set_weights([kernel, bias])
    x = generator.normal(size=(10, 4))
    logits = x @ kernel + bias
    shares = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    return model, x.astype("float32"), shares


def _expected(x, shares, labels):
    """Squares of `x (p - one_hot(y))`, averaged over the examples."""
    gap = (shares - np.eye(3)[labels]) ** 2
    return (x**2).T @ gap / len(x), gap.mean(0)


def _assert_fisher(fisher, kernel, bias, rtol=1e-3):
    assert fisher.keys() == {"net/head/kernel", "net/head/bias"}
    np.testing.assert_allclose(fisher["net/head/kernel"], kernel, rtol=rtol)
    np.testing.assert_allclose(fisher["net/head/bias"], bias, rtol=rtol)


@pytest.mark.parametrize("one_hot", [False, True])
def test_labels_of_the_data(regression, one_hot):
    model, x, shares = regression
    labels = np.random.default_rng(1).integers(0, 3, 10)
    given = np.eye(3)[labels] if one_hot else labels
    fisher = kerastl.estimate_fisher(model, (x, given), labels="data")
    _assert_fisher(fisher, *_expected(x, shares, labels))


def test_expected_over_all_classes(regression):
    model, x, shares = regression
    fisher = kerastl.estimate_fisher(model, x, labels="expected")
    # E_y[(p_k - 1[y = k])^2] = p_k (1 - p_k)
    spread = shares * (1 - shares)
    _assert_fisher(fisher, (x**2).T @ spread / 10, spread.mean(0))


def test_draws_average_to_the_expectation(regression):
    model, x, shares = regression
    fisher = kerastl.estimate_fisher(model, np.repeat(x, 100, 0))
    spread = shares * (1 - shares)
    _assert_fisher(fisher, (x**2).T @ spread / 10, spread.mean(0), rtol=0.25)
    first, again, other = (
        kerastl.estimate_fisher(model, x, seed=seed) for seed in (1, 1, 2)
    )
    path = "net/head/kernel"
    np.testing.assert_array_equal(first[path], again[path])
    assert np.abs(first[path] - other[path]).max() > 1e-4


def test_logits(regression):
    model, x, _ = regression
    logits = keras.Sequential(
        [keras.Input((4,)), layers.Dense(3, name="head")], name="net"
    )
    logits.set_weights(model.get_weights())
    _assert_fisher(
        kerastl.estimate_fisher(logits, x, labels="expected", from_logits=True),
        *kerastl.estimate_fisher(model, x, labels="expected").values(),
    )


def test_every_weight_of_a_network(make_network, images, labels):
    """Inference mode: an example does not depend on those beside it."""
    source = make_network()
    before = source.get_weights()
    source.get_layer("stem_conv").trainable = False
    whole = kerastl.estimate_fisher(source, (images[:4], labels[:4]), "data")
    assert whole.keys() == {
        variable.path
        for variable in source.variables
        if "moving" not in variable.path and "seed" not in variable.path
    }
    halves = [
        kerastl.estimate_fisher(source, [(images[i], labels[i])], "data")
        for i in (slice(2), slice(2, 4))
    ]
    for path, value in whole.items():
        assert value.max() > 0, path
        np.testing.assert_allclose(
            (halves[0][path] + halves[1][path]) / 2,
            value,
            rtol=1e-3,
            atol=1e-6,
        )
    for old, new in zip(before, source.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_normalized_it_weighs_like_plain_l2_sp(make_network, images):
    source = make_network()
    fisher = kerastl.estimate_fisher(source, images, limit=3, normalize=True)
    body = [v for path, v in fisher.items() if "predictions" not in path]
    total = sum(v.sum() for v in body) / sum(v.size for v in body)
    assert total == pytest.approx(1, rel=1e-5)
    student = kerastl.replace_head(kerastl.antialias(source), 5)
    kerastl.regularizers.L2SP(0.4, 0.0, fisher=fisher).attach(student)
    kernel = student.get_layer("down_conv").kernel
    kernel.assign(kernel + 0.5)
    expected = 0.2 * fisher["down_conv/kernel"].sum() * 0.25
    assert float(sum(student.losses)) == pytest.approx(expected, rel=1e-4)


def test_errors(regression):
    model, x, _ = regression
    with pytest.raises(ValueError, match="one of .'sampled'"):
        kerastl.estimate_fisher(model, x, labels="true")
    with pytest.raises(ValueError, match="without labels"):
        kerastl.estimate_fisher(model, x, labels="data")
    with pytest.raises(ValueError, match="no image"):
        kerastl.estimate_fisher(model, x[:0])


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("labels", ["sampled", "expected", "data"])
@pytest.mark.parametrize("batched", [False, True])
def test_images_that_are_no_numbers(regression, value, labels, batched):
    model, x, _ = regression
    x[7, 2] = value
    targets = np.zeros(len(x), int)
    data = (x, targets)
    if batched:
        data = [(x[:6], targets[:6]), (x[6:], targets[6:])]
    with pytest.raises(ValueError, match="NaN or infinite.*Received: .*[ex] 7"):
        kerastl.estimate_fisher(model, iter(data) if batched else data, labels)


def test_a_network_of_dicts(regression):
    model, x, _ = regression
    named = keras.Model({"x": model.inputs[0]}, {"y": model.outputs[0]})
    options = {"labels": "expected", "normalize": False}
    plain = kerastl.regularizers.estimate_fisher(model, x, **options)
    found = kerastl.regularizers.estimate_fisher(named, x, **options)
    assert len(found) == len(plain) == 2
    for one, other in zip(found.values(), plain.values(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5)
