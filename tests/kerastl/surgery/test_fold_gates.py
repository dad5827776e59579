import numpy as np
import pytest
from keras import layers
from keras import ops

import kerastl
from kerastl.surgery import FoldedGates
from kerastl.surgery import add_block_routing
from kerastl.surgery import add_gated_filters

PARTS = ["block1_conv", "block1_bn", "block2_conv", "block2_bn"]


def _numpy(value):
    return ops.convert_to_numpy(value)


@pytest.mark.parametrize(
    "add, signs",
    [
        (add_gated_filters, [-1.0]),
        (add_gated_filters, [1.0, -1.0, -1.0]),
        (add_block_routing, [1.0]),
        (add_block_routing, [-1.0]),
    ],
)
def test_exact_where_all_images_choose_alike(
    make_network, images, labels, shake, set_gates, add, signs
):
    network = make_network()
    gated = shake(add(network, seed=0), PARTS)
    set_gates(gated, signs)
    folded = kerastl.fold_gates(gated, (images, labels), batch_size=10)
    assert [layer.name for layer in folded.model.layers] == [
        layer.name for layer in network.layers
    ]
    assert folded.model.count_params() == network.count_params()
    np.testing.assert_allclose(folded.model(images), gated(images), atol=1e-5)
    assert folded.agreement == 1
    assert folded.accuracy_before == folded.accuracy_after
    for gates in folded.gates.values():
        np.testing.assert_array_equal(gates, np.resize(signs, gates.shape) > 0)


def test_the_majority_decides_and_the_cost_is_told(
    make_network, images, labels, shake
):
    """Gates that look at the brightness of the image."""

    def brightness(image):
        return layers.GlobalAveragePooling2D(name="brightness")(image)

    network = make_network()
    gated = shake(add_block_routing(network, policy=brightness), PARTS)
    seen = images.mean((1, 2, 3))
    shares = {"block1_add": 2 / 3, "block2_add": 1 / 3}
    for name, share in shares.items():
        threshold = np.quantile(seen, 1 - share)
        gated.get_layer(f"{name}_gate_logits").set_weights(
            [np.full((3, 1), 1 / 3), np.array([-threshold])]
        )
    folded = kerastl.fold_gates(gated, (images, labels), batch_size=7)
    for name, share in shares.items():
        np.testing.assert_allclose(folded.gates[name], [share], atol=1e-6)
    model = folded.model
    for name, like in (("block1_conv", gated), ("block2_conv", network)):
        np.testing.assert_array_equal(
            model.get_layer(name).get_weights()[0],
            like.get_layer(name).get_weights()[0],
        )
    before = _numpy(gated(images)).argmax(-1)
    after = _numpy(model(images)).argmax(-1)
    assert folded.agreement == pytest.approx((before == after).mean())
    assert folded.accuracy_before == pytest.approx((before == labels).mean())
    assert folded.accuracy_after == pytest.approx((after == labels).mean())
    assert "1 of 2 gates" in str(folded) and "points" in str(folded)
    unlabelled = kerastl.fold_gates(gated, images, threshold=0.25)
    assert unlabelled.accuracy_before is None
    assert "points" not in str(unlabelled)
    np.testing.assert_array_equal(
        unlabelled.model.get_layer("block2_conv").get_weights()[0],
        gated.get_layer("block2_conv").get_weights()[0],
    )


def test_errors(make_network, images):
    network = make_network()
    with pytest.raises(ValueError, match="no gates to fold"):
        kerastl.fold_gates(network, images)
    gated = add_gated_filters(network)
    with pytest.raises(ValueError, match="Received: threshold=2"):
        kerastl.fold_gates(gated, images, threshold=2)
    with pytest.raises(ValueError, match="no image"):
        kerastl.fold_gates(gated, images[:0])


@pytest.mark.parametrize(
    "before, after, told",
    [
        (None, None, ""),
        (0.9, 0.85, "; accuracy 90.0 % -> 85.0 % (5.0 points lost)"),
        (0.5, 0.5, "; accuracy 50.0 % -> 50.0 % (0.0 points lost)"),
        (0.25, 0.405, "; accuracy 25.0 % -> 40.5 % (15.5 points won)"),
    ],
)
def test_what_was_lost_in_words(before, after, told):
    gates = {"a": np.array([0.5, 0.49, 1.0]), "b": np.array([0.0])}
    assert str(FoldedGates(None, gates, 0.875, before, after)) == (
        "2 of 4 gates fixed on the tuned branch, the others on the frozen one; "
        f"same class as before for 87.5 % of the images{told}"
    )


@pytest.mark.parametrize("threshold", [0, 1])
def test_the_ends_of_the_range_are_thresholds(
    make_network, images, set_gates, threshold
):
    gated = add_gated_filters(make_network(), seed=0)
    set_gates(gated, [1.0])
    folded = kerastl.fold_gates(gated, images[:4], threshold=threshold)
    assert folded.agreement == 1


@pytest.mark.parametrize("threshold", [-0.01, 1.01])
def test_what_is_no_share(make_network, images, threshold):
    with pytest.raises(ValueError, match="must be between 0 and 1"):
        kerastl.fold_gates(make_network(), images, threshold=threshold)
