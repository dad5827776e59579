"""Trainings that are over leave no graphs behind."""

import gc

import keras
import numpy as np
import pytest
import tensorflow as tf

from kerastl.apps.runs.train_network import released_graphs

pytestmark = pytest.mark.tensorflow_only


def train():
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    model.compile("sgd", "mse")
    model.fit(np.ones((4, 4)), np.ones((4, 2)), verbose=0)
    return model


def graphs():
    gc.collect()
    return {
        id(each)
        for each in gc.get_objects()
        if type(each) is tf.__internal__.FuncGraph
    }


def test_a_graph_goes_with_its_network():
    before = graphs()
    train()
    # Without it the graph of the step stays: else it would not be needed.
    assert graphs() - before
    before = graphs()
    with released_graphs():
        train()
    assert not graphs() - before


def test_a_network_trains_on_as_it_would_have():
    losses = []
    for forget in (True, False):
        keras.utils.set_random_seed(0)
        if forget:
            with released_graphs():
                model = train()
        else:
            model = train()
        history = model.fit(
            np.ones((6, 4)), np.ones((6, 2)), epochs=2, verbose=0
        )
        losses.append(history.history["loss"])
    assert losses[0] == losses[1]


def test_gradients_from_before_stay():
    @tf.custom_gradient
    def twice(x):
        return 2 * x, lambda upstream: 10 * upstream

    graph = tf.function(lambda x: twice(x))
    graph.get_concrete_function(tf.constant(1.0))
    with released_graphs():
        train()
    with tf.GradientTape() as tape:
        x = tf.constant(1.0)
        tape.watch(x)
        y = graph(x)
    assert float(tape.gradient(y, x)) == 10
