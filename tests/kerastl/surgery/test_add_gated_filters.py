import dataclasses

import keras
import numpy as np
import pytest
from keras import layers
from keras import ops

import kerastl
from kerastl.surgery import add_gated_filters
from kerastl.surgery import copy_model
from kerastl.surgery.gated_parts import Part
from kerastl.surgery.graph import read_graph

CONVOLUTIONS = ["stem_conv", "block1_conv", "down_conv", "block2_conv"]


def _numpy(value):
    return ops.convert_to_numpy(value)


@pytest.mark.parametrize("gate", ["straight_through", "gumbel"])
def test_starts_as_the_network_it_was_made_of(make_network, images, gate):
    network = make_network()
    gated = add_gated_filters(network, units=8, gate=gate, seed=0)
    np.testing.assert_allclose(gated(images), network(images), atol=1e-6)
    assert {layer.name for layer in network.layers} < {
        layer.name for layer in gated.layers
    }


@pytest.mark.parametrize("training", [False, True])
def test_open_it_is_the_tuned_network_and_shut_the_frozen_one(
    make_network, images, shake, set_gates, training
):
    network = make_network()
    gated = add_gated_filters(network, units=8, seed=0)
    tuned = copy_model(network)
    parts = [*CONVOLUTIONS, "stem_bn", "block1_bn", "down_bn", "block2_bn"]
    for model in (gated, tuned):
        shake(model, parts)
    set_gates(gated, 30)
    np.testing.assert_array_equal(
        _numpy(gated(images, training=training)),
        _numpy(tuned(images, training=training)),
    )
    set_gates(gated, -30)
    # Frozen: never the statistics of the batch.
    np.testing.assert_array_equal(
        _numpy(gated(images, training=training)), _numpy(network(images))
    )
    assert np.abs(_numpy(tuned(images)) - _numpy(network(images))).max() > 0.01


def test_gates_by_hand(make_network, images):
    """The gates of the first two convolutions, written in NumPy."""
    gated = add_gated_filters(make_network(), units=6, seed=3)
    names = ["rescale", "stem_relu", "stem_conv_gates", "block1_conv_gates"]
    found = {
        name: _numpy(value)
        for name, value in kerastl.surgery.feature_extractor(gated, names)(
            images
        ).items()
    }
    lstm = [_numpy(w) for w in gated.get_layer("recurrent_gate").weights]

    def sigmoid(x):
        return 1 / (1 + np.exp(-x))

    hidden = cell = np.zeros((len(images), 6))
    for name, previous in (
        ("stem_conv", "rescale"),
        ("block1_conv", "stem_relu"),
    ):
        pooled = found[previous].mean((1, 2))
        (project,) = gated.get_layer(f"{name}_gate_project").get_weights()
        mixed = pooled @ project @ lstm[0] + hidden @ lstm[1] + lstm[2]
        enter, forget, new, leave = np.split(mixed, 4, axis=-1)
        cell = sigmoid(forget) * cell + sigmoid(enter) * np.tanh(new)
        hidden = sigmoid(leave) * np.tanh(cell)
        kernel, bias = gated.get_layer(f"{name}_gate_logits").get_weights()
        logits = hidden @ kernel + bias
        sure = np.abs(logits) > 1e-4
        np.testing.assert_array_equal(
            found[f"{name}_gates"][sure], (logits >= 0)[sure]
        )


@pytest.mark.parametrize(
    "gate, jit_compile, policy",
    [
        ("gumbel", True, "float32"),
        ("straight_through", False, "mixed_float16"),
    ],
)
def test_trains_and_the_twin_stays(
    make_network, images, labels, gate, jit_compile, policy
):
    keras.config.set_dtype_policy(policy)
    source = make_network()
    gated = add_gated_filters(
        source, ["block1_conv", "block2_conv"], units=8, gate=gate, seed=0
    )
    twins = [layer for layer in gated.layers if layer.name.endswith("_frozen")]
    assert len(twins) == 2
    before = [twin.get_weights() for twin in twins]
    start = gated.get_layer("block1_conv_gate_logits").get_weights()[1]
    tuner = kerastl.FineTuner(gated, source)
    tuner.compile(
        keras.optimizers.SGD(0.05, 0.9),
        "sparse_categorical_crossentropy",
        transfer_losses=[kerastl.losses.PixelLevel(0.1)],
        jit_compile=jit_compile,
    )
    history = tuner.fit(images, labels, batch_size=12, epochs=3, verbose=0)
    assert np.isfinite(history.history["loss"]).all()
    for twin, old in zip(twins, before, strict=True):
        for one, other in zip(twin.get_weights(), old, strict=True):
            np.testing.assert_array_equal(one, other)
    moved = gated.get_layer("block1_conv_gate_logits").get_weights()[1]
    assert np.abs(moved - start).max() > 0


def test_nested_backbones_are_opened(make_network, images):
    backbone = make_network()
    backbone = keras.Model(backbone.input, backbone.get_layer("pool").output)
    inputs = keras.Input((16, 16, 3))
    head = layers.Dense(3, activation="softmax", name="head")
    nested = keras.Model(inputs, head(backbone(inputs)))
    gated = add_gated_filters(nested, units=8)
    np.testing.assert_allclose(gated(images), nested(images), atol=1e-6)
    gates = [layer.name for layer in gated.layers if "_gates" in layer.name]
    assert gates == [f"{name}_gates" for name in CONVOLUTIONS]


def test_fused_activations_and_biases_without_batch_norm(
    images, shake, set_gates
):
    network = keras.Sequential(
        [
            keras.Input((16, 16, 3)),
            layers.Conv2D(4, 3, activation="relu", name="first"),
            layers.Conv2D(4, 3, strides=2, name="second"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(3, name="head"),
        ]
    )
    gated = add_gated_filters(network, units=8)
    expected = _numpy(network(images))
    set_gates(gated, -30)
    shake(gated, ["first", "second"])
    np.testing.assert_array_equal(_numpy(gated(images)), expected)
    shake(network, ["first", "second"])
    set_gates(gated, 30)
    np.testing.assert_allclose(gated(images), network(images), rtol=1e-5)


@pytest.mark.slow
def test_goes_on_in_another_process(
    make_network, images, labels, tmp_path, run_in_fresh_process
):
    # Without noise: Keras does not store the state of random generators.
    gated = add_gated_filters(make_network(), units=8, seed=0)
    gated.compile(
        keras.optimizers.SGD(0.05, 0.9), "sparse_categorical_crossentropy"
    )
    gated.fit(images, labels, batch_size=8, verbose=0)
    gated.save(tmp_path / "gated.keras")
    np.savez(tmp_path / "data.npz", images=images, labels=labels)
    printed = run_in_fresh_process(
        """
        import sys
        import keras, numpy as np
        import kerastl
        gated = keras.models.load_model(sys.argv[1] + "/gated.keras")
        data = np.load(sys.argv[1] + "/data.npz")
        history = gated.fit(
            data["images"], data["labels"], batch_size=8, verbose=0,
            shuffle=False,
        ).history
        print(history["loss"][0], len(gated.trainable_variables))
        """,
        tmp_path,
    )
    loss, count = map(float, printed.splitlines()[-1].split())
    history = gated.fit(images, labels, batch_size=8, verbose=0, shuffle=False)
    assert loss == pytest.approx(history.history["loss"][0], rel=1e-4)
    assert count == len(gated.trainable_variables)


def test_same_seed_same_result(make_network, images, labels):
    network = make_network()
    losses = []
    for _ in range(2):
        keras.utils.set_random_seed(3)
        gated = add_gated_filters(network, units=8, gate="gumbel", seed=0)
        gated.compile("sgd", "sparse_categorical_crossentropy")
        losses.append(
            gated.fit(images, labels, batch_size=8, epochs=2, verbose=0).history
        )
    assert losses[0] == losses[1]


def test_errors(make_network):
    dense = keras.Sequential(
        [keras.Input((4,)), layers.Dense(4), layers.Dense(2)]
    )
    with pytest.raises(ValueError, match="no `Conv2D`"):
        add_gated_filters(dense)
    with pytest.raises(ValueError, match="Did you mean 'down_conv'"):
        add_gated_filters(make_network(), ["down_con"])
    with pytest.raises(ValueError, match="'stem_bn' is a BatchNorm"):
        add_gated_filters(make_network(), ["stem_bn"])
    with pytest.raises(ValueError, match="Received: mode="):
        add_gated_filters(make_network(), gate="soft")


def test_a_part_is_what_it_was_found_as():
    inputs = keras.Input((4,))
    middle = layers.ReLU()(inputs)
    nodes = read_graph(keras.Model(inputs, layers.ELU()(middle))).nodes
    part = Part("two", nodes, inputs)
    assert part.end is nodes[1].outputs[0]
    with pytest.raises(dataclasses.FrozenInstanceError):
        part.name = "other"
