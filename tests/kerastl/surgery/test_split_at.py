import keras
import numpy as np
import pytest

from kerastl.surgery import split_at
from kerastl.surgery.graph import read_graph


@pytest.mark.parametrize("position", range(12))
def test_the_parts_make_the_whole(make_network, images, position):
    """At every tensor, shortcuts around it included."""
    network = make_network()
    nodes = read_graph(network).nodes
    node = nodes[position * len(nodes) // 12]
    front, behind = split_at(network, node.outputs[0])
    between = front(images, training=False)
    np.testing.assert_allclose(
        behind(between, training=False),
        network(images, training=False),
        atol=1e-6,
    )
    # Only within a block is there a way around.
    inside = node.operation.name in (
        "block1_conv",
        "block1_bn",
        "block2_conv",
        "block2_bn",
    )
    assert len(keras.tree.flatten(between)) == 1 + inside
    names = {each.operation.name for each in read_graph(behind).nodes}
    assert node.operation.name not in names
