"""rebuild and copy_model: the same computation, nothing shared."""

import keras
import numpy as np
import pytest
from keras import layers
from keras import ops

from kerastl.surgery import copy_model
from kerastl.surgery import rebuild


def images(count=3, size=8):
    rng = np.random.default_rng(0)
    return rng.normal(size=(count, size, size, 3)).astype("float32")


def tangled_model():
    """Shared layers, operations, dictionaries, constants and nesting."""
    one = keras.Input((8, 8, 3), name="one")
    two = keras.Input((8, 8, 3), name="two")
    inner = keras.Sequential(
        [
            keras.Input((8, 8, 4)),
            layers.BatchNormalization(name="bn"),
            layers.Dropout(0.5, seed=3, name="dropout"),
        ],
        name="inner",
    )
    conv = layers.Conv2D(4, 3, padding="same", name="conv")
    x = ops.concatenate([inner(conv(one)), inner(conv(two))], axis=-1)
    x = x[:, 1:-1, ::2] * 0.5 + np.float32(0.25)
    pooled = layers.GlobalAveragePooling2D(name="gap")(x)
    head = layers.Dense(2, activation="softmax", dtype="float32", name="head")
    outputs = {"map": ops.relu(x), "class": (head(pooled), pooled)}
    return keras.Model({"one": one, "two": two}, outputs, name="tangled")


def test_same_outputs_names_and_structure(
    randomise, variables_by_layer, predict
):
    model = randomise(tangled_model())
    copy = copy_model(model)
    x = {"one": images(), "two": images()[::-1]}
    expected, actual = predict(model, x), predict(copy, x)
    keras.tree.assert_same_structure(expected, actual)
    for a, b in zip(
        keras.tree.flatten(expected), keras.tree.flatten(actual), strict=True
    ):
        np.testing.assert_array_equal(a, b)
    assert copy.name == "tangled"
    assert [o.name for o in copy.operations] == [
        o.name for o in model.operations
    ]
    before, after = variables_by_layer(model), variables_by_layer(copy)
    assert before.keys() == after.keys()
    for name, value in before.items():
        np.testing.assert_array_equal(value, after[name])


def test_nothing_is_shared(randomise):
    model = randomise(tangled_model())
    copy = copy_model(model, name="copy")
    assert copy.name == "copy"
    assert not set(map(id, model.variables)) & set(map(id, copy.variables))
    assert not set(map(id, model.operations)) & set(map(id, copy.operations))
    nodes = {o.name: len(o._inbound_nodes) for o in model.operations}
    before = [ops.convert_to_numpy(v) for v in model.variables]
    copy_model(model)
    for variable in copy.variables:
        variable.assign(np.zeros(variable.shape))
    for variable, value in zip(model.variables, before, strict=True):
        np.testing.assert_array_equal(ops.convert_to_numpy(variable), value)
    # Reading a model leaves no call behind in it.
    assert nodes == {o.name: len(o._inbound_nodes) for o in model.operations}


def test_seeds_are_carried_over():
    model = tangled_model()
    copy = copy_model(model)
    x = {"one": images(), "two": images()}
    for _ in range(2):
        a, b = (m(x, training=True)["map"] for m in (model, copy))
        np.testing.assert_array_equal(
            ops.convert_to_numpy(a), ops.convert_to_numpy(b)
        )


def test_the_copy_of_a_frozen_model_trains():
    model = tangled_model()
    names = [v.path for v in model.trainable_variables]
    model.trainable = False
    copy = copy_model(model)
    assert len(copy.trainable_variables) == len(names)
    assert all(layer.trainable for layer in copy._flatten_layers())
    assert model.trainable_variables == []
    # Statistics are not weights to train.
    assert len(copy.non_trainable_variables) == len(copy.variables) - len(names)


def test_dtype_policies_are_kept():
    keras.config.set_dtype_policy("mixed_float16")
    model = tangled_model()
    keras.config.set_dtype_policy("float32")
    copy = copy_model(model)
    assert copy.get_layer("conv").dtype_policy.name == "mixed_float16"
    assert copy.get_layer("head").dtype_policy.name == "float32"


def test_hooks_replace_and_insert(randomise, predict):
    model = randomise(tangled_model())
    calls = []

    def clone(layer):
        if layer.name == "conv":
            return layers.Conv2D(4, 3, padding="valid", name="conv")
        return None

    def call(node, layer, *args, **kwargs):
        calls.append(node.key)
        if node.path == "conv":
            padded = layers.ZeroPadding2D(name=f"pad_{node.call_index}")
            return layer(padded(*args))
        if node.path == "inner/dropout":
            return args[0]
        return layer(*args, **kwargs)

    rebuilt = rebuild(model, clone=clone, call=call, name="rebuilt")
    assert rebuilt.name == "rebuilt"
    assert calls.count(("conv", 0)) == calls.count(("conv", 1)) == 1
    assert calls.count(("inner/bn", 0)) == 1
    assert rebuilt.get_layer("conv").padding == "valid"
    inner = [layer.name for layer in rebuilt.get_layer("inner").layers]
    assert inner[1:] == ["bn"]
    x = {"one": images(), "two": images()[::-1]}
    np.testing.assert_allclose(
        predict(rebuilt, x)["map"], predict(model, x)["map"], atol=1e-6
    )


def test_a_copy_is_saved_and_loaded(tmp_path, randomise, predict):
    copy = copy_model(randomise(tangled_model()))
    copy.save(tmp_path / "copy.keras")
    loaded = keras.saving.load_model(tmp_path / "copy.keras")
    x = {"one": images(), "two": images()}
    np.testing.assert_array_equal(
        predict(loaded, x)["map"], predict(copy, x)["map"]
    )


def test_weight_files_of_a_sequential_model_still_fit(tmp_path, predict):
    model = keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            layers.Conv2D(2, 3, name="a"),
            layers.BatchNormalization(name="b"),
        ]
    )
    model.save_weights(tmp_path / "model.weights.h5")
    copy = copy_model(model)
    copy.get_layer("a").kernel.assign(copy.get_layer("a").kernel * 0)
    copy.load_weights(tmp_path / "model.weights.h5")
    np.testing.assert_array_equal(
        predict(copy, images()), predict(model, images())
    )


def test_a_replacement_with_other_variables_is_refused():
    model = keras.Sequential(
        [keras.Input((8, 8, 3)), layers.Conv2D(2, 3, name="conv")]
    )

    def clone(layer):
        return layers.Conv2D(2, 5, name="conv")

    with pytest.raises(ValueError, match="same variables.*layer=conv"):
        rebuild(model, clone=clone)


def test_a_subclass_that_only_builds_a_graph_is_rebuilt(predict):
    class Backbone(keras.Model):
        def __init__(self):
            inputs = keras.Input((8, 8, 3))
            super().__init__(inputs, layers.Conv2D(2, 3, name="conv")(inputs))

    model = Backbone()
    copy = copy_model(model)
    assert copy.get_layer("conv").filters == 2
    np.testing.assert_array_equal(
        predict(copy, images()), predict(model, images())
    )

    class Doubled(Backbone):
        def call(self, inputs):
            return super().call(inputs) * 2

    with pytest.raises(ValueError, match="functional model.*Doubled"):
        copy_model(Doubled())


def test_models_that_cannot_be_read():
    class Subclassed(keras.Model):
        def call(self, inputs):
            return inputs

    with pytest.raises(ValueError, match="functional model.*Subclassed"):
        copy_model(Subclassed())
    with pytest.raises(ValueError, match=r"model.build\(input_shape\)"):
        copy_model(keras.Sequential([layers.Dense(2)]))

    class NoConfig(layers.Layer):
        def __init__(self, weights_of, **kwargs):
            super().__init__(**kwargs)
            self.weights_of = weights_of

        def call(self, inputs):
            return inputs

    model = keras.Sequential(
        [keras.Input((2,)), NoConfig(object(), name="odd")]
    )
    with pytest.raises(ValueError, match="get_config.*layer=odd"):
        copy_model(model)


def test_a_lambda_keeps_its_function():
    factor = 3.0
    inputs = keras.Input((4,))
    scale = layers.Lambda(
        lambda x, offset: x * factor + offset,
        output_shape=(4,),
        arguments={"offset": 0.5},
        name="scale",
    )
    model = keras.Model(inputs, layers.Dense(2)(scale(inputs)))
    copy = rebuild(model)
    assert copy.get_layer("scale") is not model.get_layer("scale")
    x = np.random.default_rng(0).normal(size=(3, 4)).astype("float32")
    np.testing.assert_array_equal(copy(x), model(x))
