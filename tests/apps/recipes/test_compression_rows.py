"""The recipes that make networks smaller train and ship what they promise."""

import keras
import numpy as np
import pytest

from kerastl import apps
from kerastl import count_multiply_adds
from kerastl.apps.runs.train_network import train_network
from kerastl.surgery.find_kernels import find_kernels

pytestmark = [
    pytest.mark.tensorflow_only,
    pytest.mark.usefixtures("eagerly"),
]


def _kernels(name, student, digits):
    network, history = train_network(
        student,
        None,
        apps.get_recipe(name),
        digits,
        2,
        learning_rate=0.01,
        validate=False,
    )
    assert np.isfinite(history["loss"]).all() and len(history["loss"]) == 2
    return network, [kernel.numpy() for kernel in find_kernels(network)]


def test_pruning(student, digits):
    _, kernels = _kernels("pruning", student, digits)
    for kernel in kernels:
        assert np.mean(kernel == 0) == pytest.approx(0.5, abs=0.01)


def test_clustering_beside_another_method(student, digits):
    _, kernels = _kernels("clustering+bss", student, digits)
    assert max(len(np.unique(kernel)) for kernel in kernels) <= 16


def test_channel_pruning(student, digits):
    network, _ = _kernels("channel_pruning", student, digits)
    before = count_multiply_adds(student)
    assert count_multiply_adds(network) < 0.65 * before


def test_channels_go_after_a_head_is_made_of_all_of_them(make_setting):
    keras.utils.set_random_seed(0)
    setting = make_setting()
    setting.student = apps.get_recipe("similarity").surgery(setting)
    expected = apps.get_recipe("channel_pruning").surgery(setting)
    joined = apps.get_recipe("channel_pruning+similarity")
    keras.utils.set_random_seed(0)
    found = joined.surgery(make_setting())
    for mine, theirs in zip(
        expected.get_weights(), found.get_weights(), strict=True
    ):
        np.testing.assert_array_equal(mine, theirs)
