import keras
import pytest
from keras import layers

import kerastl
from kerastl.surgery import default_taps

# What is chosen for the families of keras.applications. Layers without a name
# of their own are numbered by Keras through the process, so only their class
# is given: "<...>".
FAMILIES = {
    "MobileNet": [
        "conv_pw_1_relu",
        "conv_pw_3_relu",
        "conv_pw_5_relu",
        "conv_pw_11_relu",
        "conv_pw_13_relu",
    ],
    "MobileNetV2": [
        "expanded_conv_project_BN",
        "block_2_add",
        "block_5_add",
        "block_12_add",
        "out_relu",
    ],
    "MobileNetV3Small": [
        "expanded_conv_project_bn",
        "expanded_conv_2_add",
        "expanded_conv_7_add",
        "<Activation>",
    ],
    "MobileNetV3Large": [
        "expanded_conv_add",
        "expanded_conv_2_add",
        "expanded_conv_5_add",
        "expanded_conv_11_add",
        "<Activation>",
    ],
    "EfficientNetB0": [
        "block1a_project_bn",
        "block2b_add",
        "block3b_add",
        "block5c_add",
        "top_activation",
    ],
    "EfficientNetV2B0": [
        "block1a_project_activation",
        "block2b_add",
        "block3b_add",
        "block5e_add",
        "top_activation",
    ],
    "ResNet50": [
        "conv2_block3_out",
        "conv3_block4_out",
        "conv4_block6_out",
        "conv5_block3_out",
    ],
    "ResNet50V2": [
        "conv2_block2_out",
        "conv3_block3_out",
        "conv4_block5_out",
        "post_relu",
    ],
    "DenseNet121": ["pool2_conv", "pool3_conv", "pool4_conv", "relu"],
    "VGG16": ["block2_conv2", "block3_conv3", "block4_conv3", "block5_conv3"],
    "Xception": [
        "block1_conv2_act",
        "<Add>",
        "<Add>",
        "<Add>",
        "block14_sepconv2_act",
    ],
    "InceptionV3": [
        "<Activation>",
        "<Activation>",
        "mixed2",
        "mixed7",
        "mixed10",
    ],
    "NASNetMobile": [
        "reduction_concat_stem_1",
        "normal_concat_3",
        "normal_concat_8",
        "<Activation>",
    ],
    "ConvNeXtTiny": [
        "convnext_tiny_downsampling_layernorm_0",
        "convnext_tiny_downsampling_layernorm_1",
        "convnext_tiny_downsampling_layernorm_2",
        "<LayerNormalization>",
    ],
}


@pytest.fixture(params=FAMILIES)
def family(request):
    arguments = {"alpha": 0.25} if request.param == "MobileNet" else {}
    if request.param == "MobileNetV2":
        arguments = {"alpha": 0.35}
    size = 224 if request.param == "NASNetMobile" else 96
    model = getattr(keras.applications, request.param)(
        input_shape=(size, size, 3),
        weights=None,
        include_top=False,
        **arguments,
    )
    return request.param, model


@pytest.mark.slow
def test_families(family):
    """The table, and the same shapes in source and student."""
    name, source = family
    taps = default_taps(source)
    described = [
        tap if tap in FAMILIES[name] else f"<{_class_name(source, tap)}>"
        for tap in taps
    ]
    assert described == FAMILIES[name]
    student = kerastl.antialias(source)
    assert default_taps(source, student) == taps
    shapes = [
        {
            tap: tensor.shape
            for tap, tensor in kerastl.surgery.feature_extractor(
                model, taps
            ).output.items()
        }
        for model in (source, student)
    ]
    assert shapes[0] == shapes[1]


def _class_name(model, name):
    for layer in model._flatten_layers():
        if layer.name == name:
            return type(layer).__name__
    raise AssertionError(name)


def test_the_first_stage_counts_only_behind_a_blur(make_network):
    source = make_network()
    assert default_taps(source) == ["block1_add", "out_relu"]
    for stem, expected in (
        (True, ["block1_add", "out_relu"]),
        (False, ["out_relu"]),
    ):
        student = kerastl.antialias(source, stem=stem)
        assert default_taps(source, student) == expected
    plain = kerastl.surgery.copy_model(source)
    assert default_taps(source, plain) == ["block1_add", "out_relu"]


def test_unknown_sizes(make_network):
    def build(shape):
        inputs = keras.Input(shape)
        x = layers.Conv2D(4, 3, strides=2, name="down1")(inputs)
        x = layers.Conv2D(4, 3, name="end1")(x)
        x = layers.MaxPooling2D(name="down2")(x)
        x = layers.Conv2D(4, 3, name="end2")(x)
        return keras.Model(inputs, layers.GlobalAveragePooling2D()(x))

    for shape in ((64, 64, 3), (None, None, 3)):
        assert default_taps(build(shape)) == ["end1", "end2"]


def test_nested_backbone(make_network):
    backbone = make_network()
    model = keras.Sequential([keras.Input((16, 16, 3)), backbone])
    assert default_taps(model) == default_taps(backbone)


def test_a_model_that_never_shrinks():
    model = keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            layers.Conv2D(4, 3, padding="same"),
            layers.GlobalAveragePooling2D(),
        ]
    )
    with pytest.raises(ValueError, match="becomes smaller"):
        default_taps(model)
