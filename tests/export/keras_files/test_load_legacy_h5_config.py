"""Configs of tf.keras 2, each with the one of Keras 3 that it becomes."""

import json

import pytest

from kerastl.export.keras_files.load_legacy_h5 import repair_legacy_config


def repaired(*layers, kind="Functional", **config):
    model = {
        "class_name": kind,
        "config": {"name": "net", "layers": list(layers), **config},
    }
    return repair_legacy_config(json.dumps(model))


def layer(kind, **config):
    return {
        "class_name": kind,
        "config": {"name": "a", **config},
        "inbound_nodes": [1],
    }


def of_today(kind, **config):
    [found] = repaired(layer(kind, **config))["config"]["layers"]
    assert found["inbound_nodes"] == [1]
    assert found["config"].pop("name") == "a"
    return found["class_name"], found["config"]


@pytest.mark.parametrize(
    "kind, config, expected",
    [
        ("Dense", {"units": 3}, {"units": 3}),
        ("Dense", {"batch_input_shape": [None, 3]}, {}),
        (
            "InputLayer",
            {"batch_input_shape": [None, 3], "ragged": False},
            {"batch_shape": [None, 3]},
        ),
        (
            "InputLayer",
            {"batch_shape": [None, 3], "ragged": None},
            {"batch_shape": [None, 3]},
        ),
        (
            "BatchNormalization",
            {
                "axis": [3],
                "renorm": False,
                "renorm_clipping": None,
                "renorm_momentum": 0.5,
                "virtual_batch_size": None,
                "adjustment": None,
                "fused": True,
            },
            {"axis": 3},
        ),
        ("BatchNormalization", {"axis": [1, 3]}, {"axis": [1, 3]}),
        ("BatchNormalization", {"axis": 1}, {"axis": 1}),
        (
            "LSTM",
            {"time_major": False, "dynamic": False, "autocast": True},
            {},
        ),
        ("Dense", {"experimental_autocast": False}, {}),
        ("LeakyReLU", {"alpha": 0.2}, {"negative_slope": 0.2}),
        ("LeakyReLU", {"negative_slope": 0.3}, {"negative_slope": 0.3}),
        ("ELU", {"alpha": 0.2}, {"alpha": 0.2}),
        ("DepthwiseConv2D", {"groups": 1}, {}),
        (
            "SeparableConv2D",
            {
                "groups": 1,
                "kernel_initializer": "zeros",
                "kernel_regularizer": None,
                "kernel_constraint": "max_norm",
            },
            {},
        ),
        ("Conv2DTranspose", {"groups": 1}, {}),
        ("Conv2D", {"groups": 2}, {"groups": 2}),
        ("SpatialDropout2D", {"trainable": True, "noise_shape": [1]}, {}),
        (
            "Dense",
            {"dtype": {"class_name": "Policy", "config": {"name": "mixed"}}},
            {"dtype": "mixed"},
        ),
        (
            "Dense",
            {"dtype": {"class_name": "PolicyV1", "config": {"name": "f"}}},
            {"dtype": "f"},
        ),
    ],
)
def test_what_a_layer_becomes(kind, config, expected):
    assert of_today(kind, **config) == (kind, expected)


@pytest.mark.parametrize(
    "initializer, kept",
    [
        (("VarianceScaling", {"seed": 1, "dtype": "f"}), {"seed": 1}),
        (("VarianceScaling", {"scale": 1, "dtype": "f"}), None),
        (("VarianceScaling", {"seed": 1}), None),
        (("Zeros", {"dtype": "f"}), {}),
        (("Ones", {"dtype": "f"}), {}),
        (("Constant", {"value": 2, "dtype": "f"}), {"value": 2}),
        (("Zeros", None), None),
        (("MyOwn", {"dtype": "f"}), None),
    ],
)
def test_initializers_lose_the_dtype_that_keras_3_refuses(initializer, kept):
    kind, config = initializer
    given = {"class_name": kind, "config": config}
    _, found = of_today("Dense", kernel_initializer=given)
    assert found["kernel_initializer"] == {
        "class_name": kind,
        "config": config if kept is None else kept,
    }


@pytest.mark.parametrize(
    "kind", ["BatchNormalizationV1", "BatchNormalizationV2"]
)
def test_layers_that_were_renamed(kind):
    assert of_today(kind, axis=[-1]) == ("BatchNormalization", {"axis": -1})


def test_what_was_synchronized_stays_so():
    assert of_today("SyncBatchNormalization") == (
        "BatchNormalization",
        {"synchronized": True},
    )


def test_layers_in_layers_and_models_in_models():
    _, found = of_today(
        "TimeDistributed", layer=layer("DepthwiseConv2D", groups=1)
    )
    assert found["layer"]["config"] == {"name": "a"}
    inner = {
        "class_name": "Model",
        "config": {"layers": [layer("LeakyReLU", alpha=1)], "name": "inner"},
        "name": "kept",
    }
    [found] = repaired(inner)["config"]["layers"]
    assert (found["class_name"], found["name"]) == ("Functional", "kept")
    [leaky] = found["config"]["layers"]
    assert leaky["config"]["negative_slope"] == 1


@pytest.mark.parametrize(
    "kind, config, message",
    [
        ("InputLayer", {"ragged": True}, "ragged=True"),
        ("LSTM", {"time_major": True}, "uses `time_major`"),
        ("BatchNormalization", {"renorm": True}, "renorm=True"),
        ("BatchNormalization", {"renorm_clipping": {"rmax": 1}}, "rmax"),
        ("BatchNormalization", {"virtual_batch_size": 8}, "size=8"),
        ("BatchNormalization", {"adjustment": "f"}, "adjustment=f"),
        ("Dense", {"dynamic": True}, r"Layer 'a' \(Dense\) uses `dynamic`"),
        ("DepthwiseConv2D", {"groups": 2}, "groups=2"),
        ("SeparableConv2D", {"groups": 2}, "groups=2"),
        ("Conv2DTranspose", {"groups": 2}, "groups=2"),
        ("Lambda", {}, "'a' is a Lambda"),
        ("TFOpLambda", {}, "class_name='TFOpLambda'"),
        ("SlicingOpLambda", {}, "Python code that is not in the file"),
        ("TensorFlowOpLayer", {}, "Rebuild the model in code"),
    ],
)
def test_what_did_something_else_is_refused(kind, config, message):
    with pytest.raises(ValueError, match=message):
        repaired(layer(kind, **config))


@pytest.mark.parametrize("kind", ["Subclassed", None])
def test_other_models_are_refused(kind):
    with pytest.raises(ValueError, match=f"class_name={kind!r}"):
        repaired(kind=kind)


@pytest.mark.parametrize("kind", ["Functional", "Model"])
def test_ends_of_one_tensor_are_no_lists(kind):
    found = repaired(
        layer("Dense"),
        kind=kind,
        input_layers=[["a", 0, 0]],
        output_layers=[["a", 0, 0], ["b", 0, 0]],
        build_input_shape=[None, 3],
    )
    assert found["class_name"] == "Functional"
    assert found["config"]["input_layers"] == ["a", 0, 0]
    assert found["config"]["output_layers"] == [["a", 0, 0], ["b", 0, 0]]
    assert "build_input_shape" not in found["config"]
    assert len(found["config"]["layers"]) == 1


@pytest.mark.parametrize(
    "first, build, shape",
    [
        ({}, [None, 7], [None, 7]),
        ({"batch_input_shape": [None, 3]}, [None, 7], [None, 3]),
        ({"batch_shape": [None, 4]}, None, [None, 4]),
        ({}, None, None),
    ],
)
def test_a_sequential_model_begins_with_its_input(first, build, shape):
    found = repaired(
        layer("Dense", **first),
        layer("Dense"),
        kind="Sequential",
        build_input_shape=build,
    )
    assert found["class_name"] == "Sequential"
    layers = found["config"]["layers"]
    if shape is None:
        assert [each["class_name"] for each in layers] == ["Dense"] * 2
    else:
        assert layers[0] == {
            "class_name": "InputLayer",
            "config": {"batch_shape": shape},
        }
        assert len(layers) == 3
    begun = layer("InputLayer", batch_input_shape=[None, 3])
    found = repaired(begun, kind="Sequential", build_input_shape=[None, 7])
    assert len(found["config"]["layers"]) == 1


def test_the_oldest_sequential_models_are_lists():
    text = json.dumps({"class_name": "Sequential", "config": [layer("ReLU")]})
    found = repair_legacy_config(text.encode())
    assert found["config"]["name"] == "sequential"
    assert len(found["config"]["layers"]) == 1
