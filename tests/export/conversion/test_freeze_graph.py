"""One flat graph of a model, with what layers hold outside of variables."""

import keras
import numpy as np
import pytest
from keras import layers

from kerastl.export.conversion.freeze_graph import _COMPILED
from kerastl.export.conversion.freeze_graph import freeze_graph

pytestmark = pytest.mark.tensorflow_only


def frozen(middle, outputs=("scores",)):
    inputs = keras.Input((6, 6, 4))
    x = layers.Normalization(mean=[3.0] * 4, variance=[4.0] * 4)(inputs)
    x = layers.GlobalAveragePooling2D()(middle(x))
    given = {name: layers.Dense(2)(x) for name in outputs}
    model = keras.Model(inputs, given)
    signature = keras.InputSpec("float32", (None, 6, 6, 4), name="image")
    return model, freeze_graph(model, signature)


def test_the_graph_says_what_the_model_says():
    import tensorflow as tf

    # The outputs are told apart by their names, not by where they stand.
    model, graph = frozen(layers.Conv2D(3, 3), ("second", "first"))
    assert graph.weights == [] and graph.built
    assert graph.name == "frozen"
    images = np.random.default_rng(0).normal(3, 2, (2, 6, 6, 4))
    images = images.astype("float32")
    found = tf.function(graph.call, autograph=False)(tf.constant(images))
    expected = model(images)
    assert found.keys() == {"first", "second"}
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-5, atol=1e-6)
    assert np.abs(expected["first"] - expected["second"]).max() > 0.01


def test_no_call_is_left_that_only_xla_knows():
    _, graph = frozen(layers.Conv2D(4, 3, groups=2))
    definition = graph._definition
    nodes = [*definition.node]
    for function in definition.library.function:
        assert _COMPILED not in function.attr
        nodes += function.node_def
    assert any(node.op == "Conv2D" for node in nodes)
    assert not any(_COMPILED in node.attr for node in nodes)


def test_no_gradient_is_left():
    """It would hold tensors that no SavedModel has."""
    _, graph = frozen(layers.Conv2D(4, 3, activation="silu"))
    definition = graph._definition
    nodes = [*definition.node]
    for function in definition.library.function:
        nodes += function.node_def
    assert any(node.op == "IdentityN" for node in nodes)
    assert not any("_gradient_op_type" in node.attr for node in nodes)


def test_the_images_stay_float32_whatever_the_policy_is():
    import tensorflow as tf

    keras.config.set_dtype_policy("mixed_float16")
    model, graph = frozen(layers.Conv2D(3, 3))
    images = np.random.default_rng(0).normal(3, 2, (2, 6, 6, 4))
    images = tf.constant(images, "float32")
    found = tf.function(graph, autograph=False)(images)
    np.testing.assert_allclose(
        found["scores"], model(images)["scores"], atol=0.01
    )
