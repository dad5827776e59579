import keras
import numpy as np
import pytest
from keras import layers

import kerastl
from kerastl import surgery
from kerastl.surgery.find_kernels import find_kernels
from kerastl.surgery.layer_paths import UniqueNames
from kerastl.surgery.layer_paths import layer_paths
from kerastl.surgery.layer_paths import layers_named
from kerastl.surgery.layer_paths import match_paths
from kerastl.surgery.layer_paths import weight_paths


class _Twins(layers.Layer):
    """Two layers of one name inside of a layer."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.both = [layers.Dense(2, name="same") for _ in range(2)]

    def build(self, input_shape):
        for layer in self.both:
            layer.build(input_shape)

    def call(self, inputs):
        return self.both[0](inputs) + self.both[1](inputs)


def test_every_layer_and_weight_has_a_path_of_its_own(make_two_streams):
    model = make_two_streams()
    paths = layer_paths(model)
    assert paths[id(model.get_layer("ir").get_layer("first_conv"))] == (
        "ir/first_conv"
    )
    assert len(set(paths.values())) == len(paths)
    shared = [v.path for v in model.variables]
    assert len(set(shared)) < len(shared)
    names = weight_paths(model)
    assert len(set(names.values())) == len(names) == len(model.variables)
    head = model.get_layer("predictions")
    assert names[id(head.kernel)] == head.kernel.path
    inner = model.get_layer("rgb").get_layer("second_bn")
    assert names[id(inner.gamma)] == "rgb/second_bn/gamma"


def test_a_layer_inside_of_a_layer_and_one_in_two_places():
    inputs = keras.Input((2,))
    shared = layers.Dense(2, name="shared")
    inner = keras.Model(inputs, shared(_Twins(name="twins")(inputs)))
    model = keras.Model(inputs, shared(inner(inputs)))
    paths = sorted(layer_paths(model).values())
    assert paths[-1] == "shared"
    assert [path for path in paths if "same" in path] == [
        f"{inner.name}/twins/same",
        f"{inner.name}/twins/same_2",
    ]
    assert len(set(weight_paths(model).values())) == len(model.variables)


@pytest.mark.parametrize(
    ("paths", "known", "expected"),
    [
        # One backbone, nested in one model and flat in the other.
        (["net/a", "net/b", "head"], ["b", "a"], [1, 0, None]),
        (["a"], ["x/net/a", "x/net/b"], [0]),
        # Two in both, and two made of one.
        (["rgb/a", "ir/a"], ["ir/a", "rgb/a"], [1, 0]),
        (["rgb/a", "ir/a"], ["a"], [0, 0]),
        (["m/rgb/a", "m/ir/a"], ["ir/a", "rgb/a"], [1, 0]),
        # One of the two: the other has none.
        (["rgb/a", "ir/a"], ["rgb/a"], [0, None]),
        # A layer at the top and one in a nested model.
        (["a", "net/a"], ["net/a", "a"], [1, 0]),
    ],
)
def test_match_paths(paths, known, expected):
    assert match_paths(paths, known) == expected


def test_what_may_be_several_is_refused():
    with pytest.raises(ValueError, match=r"'left/a', which may be \['rgb/a'"):
        match_paths(["left/a", "right/a"], ["rgb/a", "ir/a"])
    # Not where only one of them fits.
    assert match_paths(["left/a"], ["rgb/a", "ir/a"], 1, lambda i, j: j) == [1]


def test_a_name_means_all_layers_that_have_it(make_two_streams, images):
    model = make_two_streams()
    rgb, ir = model.get_layer("rgb"), model.get_layer("ir")
    first = [rgb.get_layer("first_conv"), ir.get_layer("first_conv")]
    assert set(layers_named(model, "first_conv")) == set(first)
    assert layers_named(model, "ir/first_conv") == first[1:]
    assert layers_named(model, "rgb/x") == []

    found = find_kernels(model, ["first_conv"])
    assert {kernel.layer for kernel in found} == set(first)
    found = find_kernels(model, "ir/first_conv")
    assert [kernel.layer for kernel in found] == first[1:]

    def zero_filters(exclude):
        masked = surgery.mask_channels(model, 0.5, exclude=exclude)
        kernels = [
            masked.get_layer(name).get_layer("first_conv").kernel
            for name in ("rgb", "ir")
        ]
        return [
            int((~np.array(kernel).any((0, 1, 2))).sum()) for kernel in kernels
        ]

    assert zero_filters([]) == [2, 2]
    assert zero_filters(["first_conv"]) == [0, 0]
    assert zero_filters("rgb/first_conv") == [0, 2]


def test_taps_in_two_nested_models(make_two_streams, images):
    model = make_two_streams()
    taps = ["ir/second_relu", "rgb/second_relu", "both", "rgb"]
    output, found = surgery.feature_extractor(model, taps, include_output=True)(
        images
    )
    assert list(found) == taps
    scaled = images / 127.5 - 1
    for name in ("rgb", "ir"):
        net = model.get_layer(name)
        alone = keras.Model(net.input, net.get_layer("second_relu").output)
        np.testing.assert_allclose(
            found[f"{name}/second_relu"], alone(scaled), atol=1e-5
        )
    np.testing.assert_allclose(output, model(images), atol=1e-6)
    with pytest.raises(ValueError, match="ir/second_relu', 'rgb/second_relu"):
        surgery.feature_extractor(model, ["second_relu"])
    with pytest.raises(ValueError, match="Did you mean 'rgb/second_relu'"):
        surgery.feature_extractor(model, ["rgb/second_rel"])


def test_a_tuner_compares_both_streams(make_two_streams, images, labels):
    source = make_two_streams()
    student = surgery.copy_model(source)
    # Other weights in one stream: its term is not zero.
    conv = student.get_layer("ir").get_layer("second_conv")
    conv.kernel.assign(conv.kernel * 1.5)
    found = {}
    for name in ("rgb", "ir"):
        tuner = kerastl.FineTuner(
            student, source, taps=[f"{name}/second_relu"], batch_norm="freeze"
        )
        tuner.compile(
            keras.optimizers.SGD(0.0),
            "sparse_categorical_crossentropy",
            transfer_losses=[kerastl.losses.PixelLevel(1.0)],
            jit_compile=False,
        )
        found[name] = tuner.train_on_batch(images, labels, return_dict=True)
    assert found["rgb"]["pixel_level"] == pytest.approx(0, abs=1e-9)
    assert found["ir"]["pixel_level"] > 1e-3


def test_stages_of_two_backbones_are_counted_along_the_way(make_two_streams):
    groups = surgery.layer_groups(make_two_streams(), ["first_relu"])
    assert [sorted(layer.name for layer in group) for group in groups] == [
        sorted(["first_conv", "first_bn"] * 2),
        sorted(["second_conv", "second_bn"] * 2),
        ["predictions"],
    ]
    groups = surgery.layer_groups(make_two_streams(), ["rgb/first_relu"])
    assert [len(group) for group in groups] == [6, 2, 1]


def test_no_name_of_a_model_or_of_before_is_given():
    inputs = keras.Input((4,), name="picture")
    inner = keras.Sequential(
        [keras.Input((4,), name="inside"), layers.Dense(4, name="dense")],
        name="block",
    )
    model = keras.Model(inputs, layers.ReLU(name="new_1")(inner(inputs)))
    names = UniqueNames(model)
    assert names.inherit("dense") == "dense"
    assert names.inherit("dense") == "dense_1"
    assert [names.new("new") for _ in range(3)] == ["new", "new_2", "new_3"]
    for taken in ("picture", "inside", "block", "dense"):
        assert names.new(taken) not in (taken, "dense_1")
