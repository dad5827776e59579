"""How weights are named, and found in files made by hand."""

import h5py
import keras
import numpy as np
import pytest
from keras import layers

from kerastl.export.keras_files.weight_source import _snake_case
from kerastl.export.keras_files.weight_source import keyed_entries
from kerastl.export.keras_files.weight_source import open_weight_source
from kerastl.export.keras_files.weight_source import ordered_entries


@pytest.mark.parametrize(
    "name, expected",
    [
        ("Conv2D", "conv2d"),
        ("DepthwiseConv2D", "depthwise_conv2d"),
        ("BatchNormalization", "batch_normalization"),
        ("StochNorm", "stoch_norm"),
        ("ReLU", "re_lu"),
        ("LSTMCell", "lstm_cell"),
        ("Dense", "dense"),
        ("A", "a"),
    ],
)
def test_classes_are_named_as_keras_3_does(name, expected):
    assert _snake_case(name) == expected
    assert keras.src.utils.naming.to_snake_case(name) == expected


def network():
    inner = keras.Sequential(
        [keras.Input((3,)), layers.Dense(2, name="z"), layers.Dropout(0.1)],
        name="inner",
    )
    inputs = keras.Input((3,))
    x = layers.Dense(3, name="first")(inputs)
    x = layers.BatchNormalization(name="norm")(x)
    x = layers.Dense(3, name="second")(x)
    return keras.Model(inputs, inner(x), name="net")


def test_layers_of_one_class_are_counted():
    model = network()
    entries = keyed_entries(model)
    assert [(each.key, each.name) for each in entries] == [
        ("layers/dense", "first"),
        ("layers/batch_normalization", "norm"),
        ("layers/dense_1", "second"),
        ("layers/sequential/layers/dense", "z"),
    ]
    assert entries[0].shapes == [(3, 3), (3,)]
    with open_weight_source(model) as source:
        assert source.label == "model 'net'" and source.keyed
        assert source.layer_names == [each.name for each in model.layers]
        assert [each.key for each in source.entries] == [
            each.key for each in entries
        ]


def test_old_files_have_trainable_weights_first():
    model = network()
    entries = ordered_entries(model)
    assert [each.key for each in entries] == [
        "first",
        "norm",
        "second",
        "inner",
    ]
    norm = model.get_layer("norm")
    expected = [norm.gamma, norm.beta, norm.moving_mean, norm.moving_variance]
    assert all(a is b for a, b in zip(entries[1].arrays, expected, strict=True))


@pytest.mark.parametrize("split", [False, True])
@pytest.mark.parametrize("whole", [False, True])
def test_lists_of_names_may_be_split_in_an_old_file(tmp_path, split, whole):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        group = file.create_group("model_weights") if whole else file
        names = [b"one", b"empty", "two"]
        if split:
            group.attrs["layer_names0"] = [b"one", b"empty"]
            group.attrs["layer_names1"] = [b"two"]
            group.attrs["layer_names3"] = [b"never"]
        else:
            group.attrs["layer_names"] = np.array(names, "S")
        for name in ("one", "empty", "two"):
            group.create_group(name)
            weights = [] if name == "empty" else [b"kernel:0", b"bias:0"]
            group[name].attrs["weight_names"] = np.array(weights, "S")
            for index, weight in enumerate(weights):
                group[name][weight.decode()] = np.full(2 + index, len(name))
    with open_weight_source(str(path)) as source:
        assert not source.keyed and source.label == f"file '{path}'"
        assert source.layer_names == ["one", "empty", "two"]
        assert [each.name for each in source.entries] == ["one", "two"]
        assert source.entries[0].shapes == [(2,), (3,)]
        np.testing.assert_array_equal(source.entries[1].arrays[0], [3, 3])


def test_a_file_of_keras_3_made_by_hand(tmp_path):
    path = tmp_path / "a.weights.h5"
    with h5py.File(path, "w") as file:
        variables = file.create_group("layers/dense/vars")
        for index in range(11):
            variables[str(index)] = np.full(1, index)
        named = file.create_group("layers/sequential/layers/conv2d_1/vars")
        named.attrs["name"] = b"my_conv"
        named["0"] = np.zeros(3)
        file.create_group("_layer_checkpoint_dependencies/old/vars")["0"] = 1.0
        file.create_group("layers/relu/vars")
        file.create_group("optimizer/vars")["0"] = np.zeros(2)
        file["layers/dense/other"] = np.zeros(2)
    with open_weight_source(path) as source:
        assert source.keyed
        found = {each.key: each for each in source.entries}
        assert set(found) == {
            "layers/dense",
            "layers/sequential/layers/conv2d_1",
            "layers/old",
        }
        assert found["layers/dense"].name == "dense"
        # In the order of numbers, not of texts: 10 behind 9.
        values = [float(each[0]) for each in found["layers/dense"].arrays]
        assert values == list(range(11))
        assert found["layers/sequential/layers/conv2d_1"].name == "my_conv"
        assert set(source.layer_names) == {"dense", "my_conv", "old", "relu"}


def test_five_groups_of_a_foreign_file_are_named(tmp_path):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        for name in "gfedcba":
            file.create_group(name)
    with pytest.raises(
        ValueError, match=r"groups \['a', 'b', 'c', 'd', 'e'\]$"
    ):
        with open_weight_source(path):
            pass


def test_what_cannot_be_opened(tmp_path):
    with pytest.raises(FileNotFoundError, match="weights file does not exist"):
        with open_weight_source(tmp_path / "a.h5"):
            pass
    (tmp_path / "a.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(50))
    with pytest.raises(ValueError, match="damaged, cut short or not HDF5"):
        with open_weight_source(tmp_path / "a.h5"):
            pass
    (tmp_path / "a.keras").write_bytes(b"PK\x03\x04" + bytes(50))
    with pytest.raises(ValueError, match="`.keras` file cannot be loaded"):
        with open_weight_source(tmp_path / "a.keras"):
            pass
