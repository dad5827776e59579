"""Every way to end a network: what is the classifier, what does it read?"""

import keras
import numpy as np
import pytest
from keras import layers
from keras import ops

import kerastl
from kerastl.surgery import find_head
from kerastl.surgery.head_weights import head_weights
from kerastl.surgery.head_weights import write_head


@keras.saving.register_keras_serializable(package="test_find_head")
class OwnSoftmax(layers.Layer):
    def call(self, x):
        return ops.softmax(x)


@keras.saving.register_keras_serializable(package="test_find_head")
class LearnedTemperature(layers.Layer):
    def build(self, input_shape):
        self.temperature = self.add_weight(
            shape=(), initializer=keras.initializers.Constant(0.5)
        )

    def call(self, x):
        return x * self.temperature


def _by_hand(x):
    raised = ops.exp(x)
    return raised / ops.sum(raised, axis=-1, keepdims=True)


def _by_hand_shifted(x):
    raised = ops.exp(x - ops.max(x, axis=-1, keepdims=True))
    return ops.divide(raised, ops.sum(raised, axis=-1, keepdims=True))


def _softmax(x):
    return layers.Softmax()(x)


# How a network ends behind its last `Dense`, and by how much the scores are
# multiplied in front of the softmax; `None` where no factor says it.
ENDS = {
    "nothing": (lambda x: x, 1),
    "layer": (_softmax, 1),
    "activation layer": (layers.Activation("softmax"), 1),
    "log_softmax layer": (layers.Activation("log_softmax"), 1),
    "activations.softmax": (keras.activations.softmax, 1),
    "activations.log_softmax": (keras.activations.log_softmax, 1),
    "ops.softmax": (ops.softmax, 1),
    "ops.nn.softmax": (ops.nn.softmax, 1),
    "ops.log_softmax": (ops.log_softmax, 1),
    "logarithm": (lambda x: ops.log(ops.softmax(x)), 1),
    "by hand": (_by_hand, 1),
    "by hand, shifted": (_by_hand_shifted, 1),
    "logsumexp": (
        lambda x: ops.exp(x - ops.logsumexp(x, axis=-1, keepdims=True)),
        1,
    ),
    "own layer": (OwnSoftmax(), 1),
    "reshaped": (
        lambda x: _softmax(layers.Flatten()(layers.Reshape((1, 5))(x))),
        1,
    ),
    "dropout": (lambda x: _softmax(layers.Dropout(0.5)(x)), 1),
    "noise": (lambda x: _softmax(layers.GaussianNoise(0.5)(x)), 1),
    "cast": (lambda x: ops.softmax(ops.cast(x, "float32")), 1),
    "divided": (lambda x: ops.softmax(x / 2.5), 0.4),
    "divided far": (lambda x: ops.softmax(x / 400.0), 1 / 400),
    "multiplied": (lambda x: keras.activations.softmax(30.0 * x), 30),
    "rescaling": (lambda x: _softmax(layers.Rescaling(0.25, 3.0)(x)), 0.25),
    "logits divided": (lambda x: x / 4.0, 0.25),
    "learned": (lambda x: _softmax(LearnedTemperature()(x)), 0.5),
    "unit": (lambda x: _softmax(layers.UnitNormalization()(x)), None),
    "cosine": (lambda x: ops.softmax(8.0 * ops.normalize(x)), None),
    "batch norm": (lambda x: _softmax(layers.BatchNormalization()(x)), 1),
    "layer norm": (lambda x: _softmax(layers.LayerNormalization()(x)), None),
    "clipped": (lambda x: _softmax(ops.clip(x, -0.1, 0.1)), None),
    "relu": (lambda x: ops.softmax(layers.ReLU()(x)), None),
    "smoothed": (lambda x: 0.9 * ops.softmax(x) + 0.1 / 5, None),
    "nested": (keras.Sequential([layers.Dropout(0.1), layers.Softmax()]), 1),
}


def _network(end, units=5, **arguments):
    inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 3, name="conv")(inputs)
    x = layers.GlobalAveragePooling2D(name="gap")(x)
    x = layers.Dropout(0.2, name="drop")(x)
    x = layers.Dense(
        units,
        bias_initializer=keras.initializers.RandomUniform(-1, 1, seed=3),
        name="classes",
        **arguments,
    )(x)
    return keras.Model(inputs, end(x), name="network")


@pytest.fixture(scope="module")
def pictures():
    return np.random.default_rng(0).uniform(-2, 2, (6, 8, 8, 3))


@pytest.mark.parametrize("name", ENDS)
def test_what_follows_the_classifier_is_no_feature(name, pictures):
    end, scale = ENDS[name]
    network = _network(end)
    head = find_head(network)
    assert (head.layer, head.tap) == (network.get_layer("classes"), "gap")
    student = kerastl.replace_head(network, 3)
    assert student.get_layer("head").kernel.shape == (4, 3)
    features = keras.Model(network.inputs, network.get_layer("gap").output)
    features = ops.convert_to_numpy(features(pictures))
    kernel, bias = student.get_layer("head").get_weights()
    np.testing.assert_allclose(
        ops.convert_to_numpy(student(pictures)),
        _exactly(features @ kernel + bias),
        atol=1e-6,
    )
    if scale is None:
        with pytest.raises(ValueError, match="not the softmax of a product"):
            head_weights(network)
        return
    # What kernel and bias say is what the network says.
    kernel, bias = head_weights(network)
    said = _exactly(features @ kernel + bias)
    own = ops.convert_to_numpy(network(pictures)).astype("float64")
    if own.min() < 0 or abs(own.sum() - len(own)) > 1e-3:
        own = _exactly(own)  # logits, or logarithms
    np.testing.assert_allclose(said, own, atol=2e-5)
    given = network.get_layer("classes").get_weights()[0]
    if scale == 1 and name != "batch norm":
        np.testing.assert_array_equal(kernel, given)
    else:
        np.testing.assert_allclose(kernel, scale * given, rtol=2e-3)


def _exactly(logits):
    raised = np.exp(logits - logits.max(-1, keepdims=True))
    return raised / raised.sum(-1, keepdims=True)


@pytest.mark.parametrize(
    "end",
    [
        ops.sigmoid,
        keras.activations.sigmoid,
        layers.Activation("sigmoid"),
        lambda x: 1 / (1 + ops.exp(-x)),
        lambda x: ops.sigmoid(x / 2),
    ],
)
@pytest.mark.parametrize("units", [1, 5])
def test_sigmoid(end, units):
    network = _network(end, units)
    assert find_head(network) == (network.get_layer("classes"), "gap")
    with pytest.raises(ValueError, match="ends in a sigmoid"):
        head_weights(network)


def test_two_probabilities_of_one_score():
    network = _network(
        lambda x: ops.concatenate([1 - ops.sigmoid(x), ops.sigmoid(x)], -1), 1
    )
    assert find_head(network).layer is network.get_layer("classes")


@pytest.mark.parametrize(
    "end",
    [
        layers.ReLU(),
        ops.relu,
        ops.tanh,
        layers.BatchNormalization(),
        layers.UnitNormalization(),
        ops.normalize,
    ],
)
def test_a_hidden_layer_or_embedding_is_a_feature(end):
    network = _network(end)
    head = find_head(network)
    assert head.layer is None
    assert head.tap == network.operations[-1].name
    assert kerastl.replace_head(network, 3).layers[-1].kernel.shape == (5, 3)


def _convolutional(*end, size=1, strides=1):
    return keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            layers.Conv2D(4, 3, activation="relu", name="fire"),
            layers.Conv2D(5, size, strides, name="classes"),
            *end,
        ]
    )


CONVOLUTIONAL = {
    "squeezenet": ([layers.GlobalAveragePooling2D(), layers.Softmax()], True),
    "kept dimensions": (
        [
            layers.GlobalAveragePooling2D(keepdims=True),
            layers.Flatten(),
            layers.Activation("softmax"),
        ],
        True,
    ),
    "average pooling": (
        [layers.AveragePooling2D(6), layers.Flatten(), layers.Softmax()],
        True,
    ),
    "rectified": (
        [
            layers.Activation("relu"),
            layers.GlobalAveragePooling2D(),
            layers.Activation("softmax"),
        ],
        False,
    ),
    "maximum": ([layers.GlobalMaxPooling2D(), layers.Softmax()], False),
}


@pytest.mark.parametrize("name", CONVOLUTIONAL)
def test_convolutional_heads(name, pictures):
    end, is_linear = CONVOLUTIONAL[name]
    network = _convolutional(*end)
    assert find_head(network) == (network.get_layer("classes"), "fire")
    student = kerastl.replace_head(network, 3)
    names = [layer.name for layer in student.layers[1:]]
    assert names == ["fire", "head_pool", "head"]
    if not is_linear:
        with pytest.raises(ValueError, match="not the softmax of a product"):
            head_weights(network)
        return
    kernel, bias = head_weights(network)
    fire = keras.Model(network.inputs, network.get_layer("fire").output)
    pooled = ops.convert_to_numpy(fire(pictures)).mean((1, 2))
    np.testing.assert_allclose(
        _exactly(pooled @ kernel + bias),
        ops.convert_to_numpy(network(pictures)),
        atol=1e-5,
    )


def test_a_convolution_of_any_size_in_front_of_the_pooling():
    network = _convolutional(
        layers.GlobalAveragePooling2D(), layers.Softmax(), size=3
    )
    assert find_head(network) == (network.get_layer("classes"), "fire")
    with pytest.raises(ValueError, match="looks at a neighbourhood"):
        head_weights(network)


def test_a_linear_convolution_in_front_of_the_pooling_is_a_feature():
    network = _convolutional(layers.GlobalAveragePooling2D(name="gap"))
    assert find_head(network) == (None, "gap")


def test_a_pooling_of_one_pixel_is_a_pooling_too():
    network = keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            layers.AveragePooling2D(8),
            layers.Conv2D(5, 1),
            layers.GlobalAveragePooling2D(name="gap"),
        ]
    )
    assert find_head(network) == (None, "gap")


def test_logits_of_a_convolution_on_one_pixel():
    network = keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            layers.GlobalAveragePooling2D(keepdims=True, name="gap"),
            layers.Conv2D(5, 1, name="classes"),
            layers.Flatten(),
        ]
    )
    assert find_head(network) == (network.get_layer("classes"), "gap")


def test_pooling_behind_a_nested_backbone():
    """The backbone is no classifier, and what is read is the pooling."""
    backbone = keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            layers.Conv2D(4, 3, name="conv"),
            layers.Conv2D(6, 1, name="point"),
        ],
        name="backbone",
    )
    pooled = keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            backbone,
            layers.GlobalAveragePooling2D(name="gap"),
        ]
    )
    assert find_head(pooled) == (None, "gap")
    student = kerastl.replace_head(pooled, 3)
    assert [each.name for each in student.layers[1:]] == [
        "backbone",
        "gap",
        "head",
    ]
    assert find_head(backbone) == (None, "point")


@pytest.mark.parametrize("end", [_softmax, ops.softmax, lambda x: x / 3])
def test_nested_classifiers(end, pictures):
    inner = _network(lambda x: x)
    top = keras.Sequential(
        [keras.Input((4,)), layers.Dropout(0.1), layers.Dense(5, name="fc")]
    )
    inputs = keras.Input((8, 8, 3))
    outer = keras.Model(inputs, end(inner(inputs)))
    assert find_head(outer) == (inner.get_layer("classes"), "gap")
    student = kerastl.replace_head(outer, 3)
    assert [each.name for each in student.layers[1:]] == ["network", "head"]
    trunk = keras.Model(inner.inputs, inner.get_layer("gap").output)
    kernel, bias = student.get_layer("head").get_weights()
    np.testing.assert_allclose(
        ops.convert_to_numpy(student(pictures)),
        _exactly(ops.convert_to_numpy(trunk(pictures)) @ kernel + bias),
        atol=1e-6,
    )
    # Backbone and head are both nested: what is read is the backbone's.
    outer = keras.Model(inputs, end(top(trunk(inputs))))
    assert find_head(outer) == (top.get_layer("fc"), "gap")
    assert kerastl.replace_head(outer, 3).layers[-1].kernel.shape == (4, 3)


def _two_heads(merge):
    inputs = keras.Input((8, 8, 3))
    x = layers.GlobalAveragePooling2D()(inputs)
    first, second = (layers.Dense(5, name=name)(x) for name in ("one", "two"))
    return keras.Model(inputs, merge(first, second))


@pytest.mark.parametrize(
    "merge",
    [
        lambda a, b: layers.Average()([ops.softmax(a), _softmax(b)]),
        lambda a, b: ops.softmax(a + b),
        lambda a, b: _softmax(layers.Concatenate()([a, b])),
        lambda a, b: layers.Concatenate()([_softmax(a), ops.softmax(b)]),
        lambda a, b: (a + b) / 2,
        lambda a, b: [a, b],
    ],
)
def test_several_classifiers_are_refused(merge):
    network = _two_heads(merge)
    for function in (find_head, lambda m: kerastl.replace_head(m, 3)):
        with pytest.raises(ValueError, match="Cut the model"):
            function(network)


@pytest.mark.parametrize(
    "merge",
    [
        lambda a, b: layers.Concatenate()([a, b]),
        lambda a, b: layers.Multiply()([a, ops.sigmoid(b)]),
        lambda a, b: layers.Add()([ops.relu(a), b]),
    ],
)
def test_several_features_are_features(merge):
    network = _two_heads(merge)
    assert find_head(network) == (None, network.operations[-1].name)


def test_a_classifier_of_another_type():
    inputs = keras.Input((8, 8, 3))
    x = layers.GlobalAveragePooling2D(name="gap")(inputs)
    x = layers.EinsumDense("ab,bc->ac", 5, bias_axes="c", name="einsum")(x)
    network = keras.Model(inputs, ops.softmax(x))
    with pytest.raises(ValueError, match="EinsumDense"):
        find_head(network)
    assert kerastl.replace_head(network, 4).layers[-1].kernel.shape == (3, 4)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision(policy):
    keras.config.set_dtype_policy(policy)
    network = _network(lambda x: ops.softmax(x))
    assert find_head(network) == (network.get_layer("classes"), "gap")
    np.testing.assert_array_equal(
        head_weights(network)[0], network.get_layer("classes").get_weights()[0]
    )


def test_weights_are_written_as_they_count(pictures):
    network = _network(lambda x: ops.softmax(x / 4))
    kernel = np.random.default_rng(1).normal(size=(4, 5)).astype("float32")
    bias = np.arange(5, dtype="float32")
    write_head(network, kernel.T, bias)
    for found, wanted in zip(
        head_weights(network), (kernel, bias), strict=True
    ):
        np.testing.assert_allclose(found, wanted, rtol=1e-5)
