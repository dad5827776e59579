"""What a network's outputs are, read in it and not in a loss."""

import keras
import numpy as np
import pytest
from keras import layers
from keras import ops

from kerastl.surgery import output_kind


def dense(units=3, **kwargs):
    return layers.Dense(units, **kwargs)


@keras.saving.register_keras_serializable(package="tests")
class Ends(layers.Layer):
    """A layer of a user's, whose inside nobody knows."""

    def __init__(self, function, **kwargs):
        super().__init__(**kwargs)
        self.function = function

    def call(self, inputs):
        return self.function(inputs)


def nested(*parts):
    return keras.Sequential([keras.Input((4,)), *parts])


def over_a_map(x):
    x = layers.Reshape((1, 1, 4))(x)
    x = layers.Conv2D(3, 1, activation="softmax")(x)
    return layers.Flatten()(x)


PROBABILITIES = {
    "dense": lambda x: dense(activation="softmax")(x),
    "dense, a function": lambda x: dense(activation=ops.softmax)(x),
    "dense, a layer": lambda x: dense(activation=layers.Softmax())(x),
    "layer": lambda x: layers.Softmax()(dense()(x)),
    "activation": lambda x: layers.Activation("softmax")(dense()(x)),
    "activations": lambda x: keras.activations.softmax(dense()(x)),
    "operation": lambda x: ops.softmax(dense()(x)),
    "temperature": lambda x: ops.softmax(dense()(x) / 3.0),
    "cast": lambda x: ops.cast(ops.softmax(dense()(x)), "float32"),
    "mixed": lambda x: layers.Activation("linear", dtype="float32")(
        dense(activation="softmax")(x)
    ),
    "dropout": lambda x: layers.Dropout(0.5)(dense(activation="softmax")(x)),
    "clip": lambda x: ops.clip(ops.softmax(dense()(x)), 1e-7, 1.0),
    "map": over_a_map,
    "nested": lambda x: nested(dense(activation="softmax"))(x),
    "nested twice": lambda x: nested(nested(dense(), layers.Softmax()))(x),
    "nested reshape": lambda x: keras.Sequential(
        [keras.Input((3,)), layers.Reshape((3,))]
    )(ops.softmax(dense()(x))),
    "two": lambda x: layers.Average()(
        [dense(activation="softmax")(x), ops.softmax(dense()(x))]
    ),
    "a user's": lambda x: Ends(ops.softmax)(dense()(x)),
    # It is asked as it is used, not as it is trained.
    "a user's, dropout": lambda x: layers.Dropout(0.5, seed=0)(
        Ends(ops.softmax)(dense()(x))
    ),
    "by hand": lambda x: ops.relu(x) / ops.sum(ops.relu(x), -1, keepdims=True),
    "sparsemax": lambda x: dense(activation="sparsemax")(x),
}
SIGMOID = {
    "one": lambda x: dense(1, activation="sigmoid")(x),
    "one, operation": lambda x: ops.sigmoid(dense(1)(x)),
    "one, hard": lambda x: keras.activations.hard_sigmoid(dense(1)(x)),
    "several": lambda x: dense(activation="sigmoid")(x),
}
LOGITS = {
    "dense": lambda x: dense()(x),
    "one": lambda x: dense(1)(x),
    "temperature": lambda x: dense()(x) / 3.0,
    "scaled": lambda x: layers.Rescaling(2.0)(dense()(x)),
    "normalised": lambda x: layers.BatchNormalization()(dense()(x)),
    "log": lambda x: ops.log_softmax(dense()(x)),
    "softmax before": lambda x: dense()(ops.softmax(x)),
    "relu": lambda x: dense(activation="relu")(x),
    "a user's": lambda x: Ends(lambda x: 5 * x)(dense()(x)),
    "two": lambda x: layers.Average()([dense()(x), dense()(x)]),
}
UNKNOWN = {
    "halved": lambda x: 0.5 * ops.softmax(dense()(x)),
    "squared": lambda x: ops.square(ops.softmax(dense()(x))),
}


@pytest.mark.parametrize(
    "kind, name, end",
    [
        (kind, name, end)
        for kind, table in (
            ("probabilities", PROBABILITIES),
            ("sigmoid", SIGMOID),
            ("logits", LOGITS),
            (None, UNKNOWN),
        )
        for name, end in table.items()
    ],
)
def test_every_ending(kind, name, end):
    inputs = keras.Input((4,))
    model = keras.Model(inputs, end(inputs))
    assert output_kind(model) == kind


def test_what_cannot_be_read():
    class Own(keras.Model):
        def call(self, inputs):
            return inputs

    inputs = keras.Input((4,))
    two = keras.Model(inputs, [dense()(inputs), dense()(inputs)])
    assert output_kind(Own()) is None
    assert output_kind(two) is None
    # Asked once: a compiled step cannot ask.
    asked = []

    def look(x):
        asked.append(x.shape)
        return ops.softmax(x)

    model = keras.Model(inputs, Ends(look)(dense()(inputs)))
    asked.clear()
    assert [output_kind(model) for _ in range(3)] == ["probabilities"] * 3
    assert len(asked) == 1


def test_one_number_between_0_and_1_is_no_sign():
    """It may be a logit as well."""
    inputs = keras.Input((4,))
    outputs = Ends(lambda x: 0.3 + 0 * x)(dense(1)(inputs))
    assert output_kind(keras.Model(inputs, outputs)) is None
    nothing = Ends(lambda x: np.nan * x)(dense()(inputs))
    assert output_kind(keras.Model(inputs, nothing)) is None
