import keras
import numpy as np
import pytest
from keras import layers
from keras import ops

import kerastl
from kerastl.surgery import add_block_routing
from kerastl.surgery import copy_model
from kerastl.surgery.graph import read_graph

BLOCKS = ["block1_add", "block2_add"]


def _numpy(value):
    return ops.convert_to_numpy(value)


def test_starts_as_the_network_it_was_made_of(make_network, images):
    network = make_network()
    routed = add_block_routing(network, seed=0)
    np.testing.assert_allclose(routed(images), network(images), atol=1e-6)


@pytest.mark.parametrize("chosen", [(), (1,), (0, 1)])
def test_routes_block_by_block(make_network, images, shake, set_gates, chosen):
    network = make_network()
    routed = add_block_routing(network, seed=0)
    expected = copy_model(network)
    parts = [["block1_conv", "block1_bn"], ["block2_conv", "block2_bn"]]
    for part in parts:
        shake(routed, part)
    for place, name in enumerate(BLOCKS):
        set_gates(routed, 30 if place in chosen else -30, name)
    # The expected network gets the same noise, in the open blocks only.
    donor = copy_model(network)
    for part in parts:
        shake(donor, part)
    for place in chosen:
        for name in parts[place]:
            weights = donor.get_layer(name).get_weights()
            expected.get_layer(name).set_weights(weights)
    np.testing.assert_array_equal(
        _numpy(routed(images)), _numpy(expected(images))
    )


def test_shut_in_training_the_block_keeps_its_statistics(
    make_network, images, set_gates
):
    network = make_network()
    routed = add_block_routing(network, ["block2_add"], seed=0)
    set_gates(routed, -30)
    extractor = kerastl.surgery.feature_extractor(
        routed, ["down_relu", "out_relu", "block2_add_mixed"]
    )
    found = extractor(images, training=True)
    behind = keras.Model(
        network.get_layer("down_relu").output,
        network.get_layer("out_relu").output,
    )
    np.testing.assert_allclose(
        found["block2_add_mixed"],
        behind(found["down_relu"], training=False),
        atol=1e-6,
    )


def test_the_policy_draws_in_training_only(make_network, images, set_gates):
    routed = add_block_routing(make_network(), seed=0)
    set_gates(routed, 0)
    gates = kerastl.surgery.feature_extractor(
        routed, [f"{name}_gates" for name in BLOCKS]
    )
    drawn = _numpy(gates(images, training=True)["block1_add_gates"])
    assert drawn.shape == (24, 1)
    assert 0 < drawn.mean() < 1
    np.testing.assert_array_equal(_numpy(gates(images)["block1_add_gates"]), 1)


def test_a_policy_of_ones_own(make_network, images):
    def brightness(image):
        return layers.GlobalAveragePooling2D(name="brightness")(image)

    routed = add_block_routing(make_network(), policy=brightness)
    layer = routed.get_layer("block1_add_gate_logits")
    layer.set_weights([np.full((3, 1), 1.0), np.array([-382.5])])
    gates = kerastl.surgery.feature_extractor(routed, ["block1_add_gates"])
    np.testing.assert_array_equal(
        _numpy(gates(images)["block1_add_gates"])[:, 0],
        images.mean((1, 2)).sum(-1) >= 382.5,
    )


def test_trains(make_network, images, labels):
    routed = add_block_routing(make_network(), ["block1_add"], seed=0)
    before = routed.get_layer("block1_add_frozen").get_weights()
    start = routed.get_layer("policy_1_conv").get_weights()[0]
    routed.compile(
        keras.optimizers.SGD(0.05, 0.9),
        "sparse_categorical_crossentropy",
        jit_compile=True,
    )
    history = routed.fit(images, labels, batch_size=12, epochs=4, verbose=0)
    assert history.history["loss"][-1] < history.history["loss"][0]
    after = routed.get_layer("block1_add_frozen").get_weights()
    for old, new in zip(before, after, strict=True):
        np.testing.assert_array_equal(old, new)
    moved = routed.get_layer("policy_1_conv").get_weights()[0] - start
    assert np.abs(moved).max() > 0


def test_blocks_of_known_networks():
    def blocks(model):
        routed = add_block_routing(model)
        return [
            node.operation.name.removesuffix("_mixed")
            for node in read_graph(routed).nodes
            if node.operation.name.endswith("_mixed")
        ]

    assert blocks(
        keras.applications.MobileNetV2(
            (32, 32, 3), alpha=0.35, weights=None, include_top=False
        )
    ) == [f"block_{place}_add" for place in (2, 4, 5, 7, 8, 9, 11, 12, 14, 15)]


def test_errors(make_network, chain):
    with pytest.raises(ValueError, match="no residual block"):
        add_block_routing(chain(layers.Conv2D(4, 3)))
    with pytest.raises(ValueError, match="Did you mean 'block1_add'"):
        add_block_routing(make_network(), ["block1_ad"])


def test_the_policy_is_three_convolutions_on_the_standardized_image(
    make_network,
):
    routed = add_block_routing(make_network(), seed=3)
    norm = routed.get_layer("policy_input_bn")
    # It standardizes, and learns nothing.
    assert [weight.name for weight in norm.weights] == [
        "moving_mean",
        "moving_variance",
    ]
    filters = []
    for place in (1, 2, 3):
        conv = routed.get_layer(f"policy_{place}_conv")
        assert (conv.kernel_size, conv.strides) == ((3, 3), (2, 2))
        assert (conv.padding, conv.use_bias) == ("same", False)
        assert conv.kernel_initializer.seed == 3 + place
        filters.append(conv.filters)
    assert filters == [16, 32, 64]
    logits = [x for x in routed.layers if x.name.endswith("_gate_logits")]
    assert [x.units for x in logits] == [1] * len(logits)
    assert [x.kernel_initializer.seed for x in logits] == [
        13 + place for place in range(len(logits))
    ]
