import pytest
from keras import layers

from kerastl.layers import DropConnectDense
from kerastl.surgery import add_drop_connect


def test_only_the_classifier_changes(small_cnn):
    model = add_drop_connect(small_cnn(), rate=0.3, seed=5)
    head = model.get_layer("head")
    assert type(head) is DropConnectDense
    assert (head.rate, head.seed, head.units) == (0.3, 5, 4)


def test_a_network_without_a_dense_classifier(chain):
    with pytest.raises(ValueError, match="kerastl.replace_head"):
        add_drop_connect(chain(layers.Conv2D(4, 3)))
