import keras
import numpy as np
import pytest

from kerastl import apps
from kerastl.export.keras_files.load_weights_into import assign_source
from kerastl.export.keras_files.load_weights_into import extra_entries
from kerastl.export.keras_files.weight_source import WeightEntry
from kerastl.export.keras_files.weight_source import WeightSource
from kerastl.export.keras_files.weight_source import open_weight_source


def network(filters=4, classes=3, extra=False):
    layers = [
        keras.Input((8, 8, 3)),
        keras.layers.Conv2D(filters, 3, name="first"),
        keras.layers.BatchNormalization(name="norm"),
        keras.layers.Dropout(0.1),
        keras.layers.SeparableConv2D(5, 3, name="second"),
        keras.layers.GlobalAveragePooling2D(),
        keras.layers.Dense(classes, name="third"),
    ]
    if extra:
        layers.append(keras.layers.Dense(2, name="fourth"))
    inner = keras.Sequential(layers, name="inner")
    for index, variable in enumerate(inner.weights):
        values = np.arange(np.prod(variable.shape)) % 7 + index
        variable.assign(values.reshape(variable.shape) / 10)
    return inner


def random_network(**arguments):
    return keras.models.clone_model(network(**arguments))


def nested(inner):
    inputs = keras.Input((8, 8, 3))
    return keras.Model(inputs, keras.layers.Dense(2, name="top")(inner(inputs)))


def same_weights(first, second):
    for a, b in zip(first.get_weights(), second.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("suffix", [".weights.h5", ".keras", ".h5"])
@pytest.mark.parametrize("wrap", [lambda model: model, nested])
def test_every_layout_loads(tmp_path, suffix, wrap):
    saved = wrap(network())
    file = tmp_path / f"model{suffix}"
    save = saved.save_weights if suffix == ".weights.h5" else saved.save
    save(file)
    model = wrap(random_network())

    assert apps.load_weights_into(model, file) is model

    same_weights(model, saved)


def test_a_model_is_a_source_too():
    model = random_network()
    apps.load_weights_into(model, network())
    same_weights(model, network())


@pytest.mark.parametrize("suffix", [".weights.h5", ".h5"])
@pytest.mark.parametrize(
    "other, message",
    [
        ({"filters": 6}, r"'first' expects shapes \[\(3, 3, 3, 4\).*6\)"),
        ({"classes": 9}, r"'third' expects shapes \[\(5, 3\)"),
        ({"extra": True}, "1 layers that the model lacks.*fourth"),
    ],
)
def test_another_architecture_changes_nothing(tmp_path, suffix, other, message):
    saved = network(**other)
    file = tmp_path / f"model{suffix}"
    save = saved.save_weights if suffix == ".weights.h5" else saved.save
    save(file)
    model = random_network()
    before = model.get_weights()

    with pytest.raises(ValueError, match=message):
        apps.load_weights_into(model, file)

    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_fewer_layers_name_the_first_that_is_missing(tmp_path):
    network().save_weights(tmp_path / "short.weights.h5")
    model = random_network(extra=True)
    with pytest.raises(ValueError, match="'fourth'.*no such layer"):
        apps.load_weights_into(model, tmp_path / "short.weights.h5")


def test_normalization_uses_the_loaded_statistics():
    def build():
        return keras.Sequential(
            [keras.Input((2,)), keras.layers.Normalization()]
        )

    saved = build()
    saved.layers[0].adapt(np.array([[0.0, 4.0], [2.0, 8.0]]))
    model = apps.load_weights_into(build(), saved)
    np.testing.assert_allclose(model(np.array([[1.0, 8.0]])), [[0, 1]])


def test_an_hdf5_file_without_weights_is_refused(tmp_path):
    import h5py

    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["measurements"] = [1, 2, 3]
    with pytest.raises(ValueError, match="no Keras weights.*measurements"):
        apps.load_weights_into(network(), tmp_path / "other.h5")


def test_statistics_reach_a_step_that_is_traced_already():
    def make(mean):
        norm = keras.layers.Normalization()
        model = keras.Sequential([keras.Input((2,)), norm])
        norm.adapt(np.random.default_rng(0).normal(mean, 3.0, (50, 2)))
        return model

    model, other = make(5.0), make(-70.0)
    x = np.ones((3, 2), "float32")
    model.predict(x, verbose=0)
    apps.load_weights_into(model, other)
    expected = other.predict(x, verbose=0)
    np.testing.assert_array_equal(model.predict(x, verbose=0), expected)
    np.testing.assert_array_equal(model(x), expected)


@pytest.mark.parametrize("suffix", [".keras", ".h5", ".weights.h5"])
def test_a_file_that_never_held_weights_says_so(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    path.write_text("version https://git-lfs.github.com/spec/v1\nsize 9\n")
    with pytest.raises(ValueError, match="git lfs pull") as caught:
        apps.load_weights_into(network(), path)
    assert "damaged" not in str(caught.value)


def test_what_differs_is_told_with_both_sides():
    with pytest.raises(
        ValueError,
        match=(
            r"differs: 'third' expects shapes \[\(5, 3\), \(3,\)\], the "
            r"weights have layer 'third' with shapes \[\(5, 4\), \(4,\)\] in "
            r"its place\. The model has 4 layers with weights, the source 4\."
        ),
    ):
        apps.load_weights_into(random_network(), network(classes=4))
    with pytest.raises(
        ValueError,
        match=(
            r"'fourth' expects shapes \[\(3, 2\), \(2,\)\], the weights have "
            r"no such layer\. The model has 5 layers .*, the source 4\."
        ),
    ):
        apps.load_weights_into(random_network(extra=True), network())
    with pytest.raises(
        ValueError,
        match=(
            r"they have 1 layers that the model lacks, the first is 'fourth' "
            r"with shapes \[\(3, 2\), \(2,\)\]"
        ),
    ):
        apps.load_weights_into(random_network(), network(extra=True))


def test_a_head_may_be_left_over_and_layers_adapted():
    model, source = random_network(), network(extra=True)
    adapted = []

    def adapt(name, arrays):
        adapted.append(name)
        return [array + 1 for array in arrays]

    with open_weight_source(source) as opened:
        with pytest.raises(ValueError, match="1 layers that the model lacks"):
            assign_source(model, opened)
        assign_source(model, opened, droppable=1, adapt=adapt)
    assert adapted == ["first", "norm", "second", "third"]
    for found, expected in zip(
        model.get_weights(), network().get_weights(), strict=True
    ):
        np.testing.assert_allclose(found, expected + 1)


def test_layers_are_left_over_in_the_order_of_the_network():
    def entry(key):
        return WeightEntry(key, key, ())

    keys = ["dense_10", "dense", "dense_2", "conv_1"]
    source = WeightSource("", [entry(key) for key in keys], [], True)
    extra = extra_entries([entry("conv_1")], source)
    assert [each.key for each in extra] == ["dense", "dense_2", "dense_10"]
    source = WeightSource("", [entry(key) for key in keys], [], False)
    extra = extra_entries([entry("a"), entry("b")], source)
    assert [each.key for each in extra] == ["dense_2", "conv_1"]
