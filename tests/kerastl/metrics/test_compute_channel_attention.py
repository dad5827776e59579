import keras
import numpy as np
import pytest
from keras import layers

import kerastl

TAPS = ["stem_conv", "block1_conv", "block2_conv"]


@pytest.fixture
def source(make_network):
    """A network whose statistics and offsets are not zero and one."""
    model = make_network(classes=7)
    generator = np.random.default_rng(3)
    for variable in model.weights:
        if "variance" in variable.path:
            variable.assign(generator.uniform(0.5, 1.5, variable.shape))
        elif len(variable.shape) == 1:
            variable.assign(generator.normal(size=variable.shape))
    return model


@pytest.fixture
def head():
    head = layers.Dense(3, activation="softmax", name="new_head")
    head.build((None, 12))
    return head


def _losses(network, images, labels):
    predictions = keras.ops.convert_to_numpy(network(images, training=False))
    picked = predictions[np.arange(len(labels)), labels]
    return -np.log(picked.astype("float64"))


def _softmax_of_scores(rises):
    scores = (rises - rises.mean()) / rises.std() / 5
    return np.exp(scores) / np.exp(scores).sum()


def _naive(network, tap, images, labels, channels=None):
    """The rises of the loss, one pass of the network a channel."""
    kernel = network.get_layer(tap).kernel
    trained = keras.ops.convert_to_numpy(kernel).copy()
    before = _losses(network, images, labels).mean()
    rises = []
    for channel in range(trained.shape[-1]) if channels is None else channels:
        zeroed = trained.copy()
        zeroed[..., channel] = 0
        kernel.assign(zeroed)
        rises.append(_losses(network, images, labels).mean() - before)
    kernel.assign(trained)
    return np.array(rises)


def _with_head(source, head, tap="pool"):
    return keras.Model(source.input, head(source.get_layer(tap).output))


@pytest.mark.parametrize("nested", [False, True])
def test_equals_zeroing_one_filter_after_the_other(
    source, head, images, labels, nested
):
    network = _with_head(source, head)
    expected = {
        tap: _softmax_of_scores(_naive(network, tap, images, labels))
        for tap in TAPS
    }
    if nested:
        backbone = keras.Model(source.input, source.get_layer("pool").output)
        source = keras.Sequential([keras.Input((16, 16, 3)), backbone])
    attention = kerastl.compute_channel_attention(
        source, head, (images, labels), TAPS, batch_size=8
    )
    assert list(attention) == TAPS
    for tap in TAPS:
        np.testing.assert_allclose(attention[tap], expected[tap], atol=1e-5)
        assert attention[tap].sum() == pytest.approx(1, abs=1e-6)
        # Not a uniform one, which would equal anything.
        assert attention[tap].max() > 1.2 * attention[tap].min()


def test_many_passes_give_the_same(source, head, images, labels, monkeypatch):
    data = (images, keras.utils.to_categorical(labels, 3))
    at_once = kerastl.compute_channel_attention(source, head, data, TAPS)
    module = kerastl.metrics.compute_channel_attention.__globals__
    monkeypatch.setitem(module, "_LARGEST_PASS", 5 * 24 * 4 * 4 * 12)
    in_parts = kerastl.compute_channel_attention(source, head, data, TAPS)
    for tap in TAPS:
        np.testing.assert_allclose(in_parts[tap], at_once[tap], atol=1e-6)


def test_behind_batch_norm_nothing_is_left(source, head, images, labels):
    """As if scale and offset of the channel were zero."""
    network = _with_head(source, head)
    norm = network.get_layer("down_bn")
    before = _losses(network, images, labels).mean()
    rises = []
    values = norm.get_weights()
    for channel in range(12):
        gamma, beta, *statistics = (value.copy() for value in values)
        gamma[channel] = beta[channel] = 0
        norm.set_weights([gamma, beta, *statistics])
        rises.append(_losses(network, images, labels).mean() - before)
    norm.set_weights(values)
    attention = kerastl.compute_channel_attention(
        source, head, (images, labels), ["down_conv"], place="batch_norm"
    )["down_conv"]
    expected = _softmax_of_scores(np.array(rises))
    np.testing.assert_allclose(attention, expected, atol=1e-5)
    at_the_tap = kerastl.compute_channel_attention(
        source, head, (images, labels), ["down_conv"]
    )["down_conv"]
    assert np.abs(at_the_tap - attention).max() > 1e-3


def test_logits_give_what_their_softmax_gives(source, head, images, labels):
    logits = layers.Dense(3)
    logits.build((None, 12))
    logits.set_weights(head.get_weights())
    first, second = (
        kerastl.compute_channel_attention(
            source, each, (images, labels), TAPS, from_logits=each is logits
        )
        for each in (head, logits)
    )
    for tap in TAPS:
        np.testing.assert_allclose(first[tap], second[tap], atol=1e-6)


def test_the_source_is_left_alone(source, head, images, labels):
    before = source.get_weights()
    kerastl.compute_channel_attention(source, head, (images, labels), TAPS)
    trained = kerastl.train_head(source, (images, labels), epochs=1)
    kerastl.compute_channel_attention(source, trained, (images, labels), TAPS)
    for old, new in zip(before, source.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    assert all(layer.trainable for layer in source.layers)


@pytest.mark.slow
def test_mobile_net_v2():
    source = keras.applications.MobileNetV2(
        (32, 32, 3), alpha=0.35, weights=None
    )
    generator = np.random.default_rng(0)
    images = generator.uniform(-1, 1, (4, 32, 32, 3)).astype("float32")
    # With the statistics of a fresh network hardly a signal arrives.
    kerastl.reestimate_batch_norm(source, images)
    labels = generator.integers(0, 3, 4)
    taps = kerastl.surgery.convolution_taps(source)
    assert taps == [
        "expanded_conv_project",
        "block_2_project",
        "block_5_project",
        "block_12_project",
        "Conv_1",
    ]
    head = layers.Dense(3, activation="softmax")
    head.build((None, 1280))
    tap = taps[2]
    attention = kerastl.compute_channel_attention(
        source, head, (images, labels), [tap]
    )[tap]
    network = _with_head(source, head, "global_average_pooling2d")
    expected = _softmax_of_scores(_naive(network, tap, images, labels))
    np.testing.assert_allclose(attention, expected, atol=1e-5)


def test_errors(source, head, images, labels):
    def run(*arguments, data=(images, labels), **options):
        kerastl.compute_channel_attention(source, head, data, **options)

    with pytest.raises(ValueError, match="Did you mean 'block1_conv'"):
        run(taps=["block1_con"])
    with pytest.raises(ValueError, match="one of .'convolution'"):
        run(place="relu")
    with pytest.raises(ValueError, match="No BatchNormalization reads"):
        run(taps=["block1_add"], place="batch_norm")
    with pytest.raises(ValueError, match="without labels"):
        run(data=images)
    with pytest.raises(ValueError, match="no batch"):
        run(data=[])
    wide = layers.Dense(3)
    wide.build((None, 99))
    with pytest.raises(ValueError, match="head cannot read"):
        kerastl.compute_channel_attention(source, wide, (images, labels), TAPS)
