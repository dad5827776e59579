"""The table of presets, and how one is taken from it."""

from __future__ import annotations

import inspect
from functools import partial
from typing import TYPE_CHECKING

from keras import applications

from kerastl.apps.presets.preset import Preset
from kerastl.apps.presets.resnet_cifar import resnet_cifar
from kerastl.arguments import checked_text
from kerastl.arguments import unknown_name_error

if TYPE_CHECKING:
    from kerastl.apps.presets.preset import Preset


_DENSE = ("predictions",)

_ROWS = [
    # name, title, builder, preprocessing, parameters (M), head
    Preset(
        "mobilenet",
        "MobileNet",
        applications.MobileNet,
        "tf",
        4.25,
        ("conv_preds",),
    ),
    Preset(
        "mobilenet_v2",
        "MobileNetV2",
        applications.MobileNetV2,
        "tf",
        3.54,
        _DENSE,
    ),
    Preset(
        "mobilenet_v3_small",
        "MobileNetV3 Small",
        applications.MobileNetV3Small,
        "builtin",
        2.55,
        ("conv_2", "logits"),
    ),
    Preset(
        "mobilenet_v3_large",
        "MobileNetV3 Large",
        applications.MobileNetV3Large,
        "builtin",
        5.51,
        ("conv_2", "logits"),
    ),
    Preset(
        "efficientnet_b0",
        "EfficientNetB0",
        applications.EfficientNetB0,
        "efficientnet",
        5.33,
        _DENSE,
    ),
    Preset(
        "efficientnet_v2_b0",
        "EfficientNetV2B0",
        applications.EfficientNetV2B0,
        "builtin",
        7.20,
        _DENSE,
    ),
    Preset(
        "resnet50",
        "ResNet50",
        applications.ResNet50,
        "caffe",
        25.64,
        _DENSE,
    ),
    Preset(
        "resnet101",
        "ResNet101",
        applications.ResNet101,
        "caffe",
        44.71,
        _DENSE,
    ),
    Preset(
        "resnet152",
        "ResNet152",
        applications.ResNet152,
        "caffe",
        60.42,
        _DENSE,
    ),
    Preset(
        "resnet50_v2",
        "ResNet50V2",
        applications.ResNet50V2,
        "tf",
        25.61,
        _DENSE,
    ),
    Preset(
        "densenet121",
        "DenseNet121",
        applications.DenseNet121,
        "torch",
        8.06,
        _DENSE,
    ),
    Preset(
        "vgg16",
        "VGG16",
        applications.VGG16,
        "caffe",
        138.36,
        ("fc1", "fc2", "predictions"),
        learning_rate=0.00003,
        scratch_learning_rate=0.001,
    ),
    Preset(
        "vgg19",
        "VGG19",
        applications.VGG19,
        "caffe",
        143.67,
        ("fc1", "fc2", "predictions"),
        learning_rate=0.00003,
        scratch_learning_rate=0.001,
    ),
    Preset(
        "xception",
        "Xception",
        applications.Xception,
        "tf",
        22.91,
        _DENSE,
        default_size=299,
        min_size=71,
    ),
    Preset(
        "inception_v3",
        "InceptionV3",
        applications.InceptionV3,
        "tf",
        23.85,
        _DENSE,
        default_size=299,
        min_size=75,
    ),
    Preset(
        "inception_resnet_v2",
        "InceptionResNetV2",
        applications.InceptionResNetV2,
        "tf",
        55.87,
        _DENSE,
        default_size=299,
        min_size=75,
    ),
    Preset(
        "nasnet_mobile",
        "NASNetMobile",
        applications.NASNetMobile,
        "tf",
        5.33,
        _DENSE,
    ),
    Preset(
        "convnext_tiny",
        "ConvNeXtTiny",
        applications.ConvNeXtTiny,
        "builtin",
        28.59,
        ("convnext_tiny_head_dense",),
        learning_rate=0.00003,
        scratch_learning_rate=0.001,
    ),
    Preset(
        "resnet8",
        "ResNet-8 (32x32)",
        partial(resnet_cifar, 8),
        "tf",
        0.08,
        _DENSE,
        default_size=32,
        min_size=8,
        learning_rate=0.003,
        scratch_learning_rate=0.05,
        classes=10,
        downloadable=False,
    ),
    Preset(
        "resnet20",
        "ResNet-20 (32x32)",
        partial(resnet_cifar, 20),
        "tf",
        0.27,
        _DENSE,
        default_size=32,
        min_size=8,
        learning_rate=0.003,
        scratch_learning_rate=0.05,
        classes=10,
        downloadable=False,
    ),
]

PRESETS = {preset.name: preset for preset in _ROWS}


def get_preset(name: str) -> Preset:
    """Returns the preset of that name.

    Args:
        name: A key of `apps.PRESETS`.

    Raises:
        ValueError: If there is none; the message has the nearest name.

    Example:

    ```python
    kerastl.apps.get_preset("mobilenet_v2").default_size  # 224
    ```
    """
    if checked_text("preset", name) not in PRESETS:
        # As files of weights are called.
        preset, _, width = str(name).rpartition("_")
        if preset in PRESETS and width.replace(".", "", 1).isdigit():
            raise ValueError(
                "The width of a network is no part of its name. Pass "
                f"{preset!r} and `alpha={width}` (--alpha {width}). "
                f"Received: preset={name!r}"
            )
        raise unknown_name_error("preset", name, PRESETS)
    return PRESETS[name]


def family(name, preset):
    """Makes the function that builds a preset's network.

    It takes the arguments of the builder in `keras.applications`, in the same
    order and with the same defaults. Only what is passed is asked for: a
    network has its classifier unless its weights come without one, and as
    many classes as they have.

    Args:
        name: Name of the function.
        preset: The `Preset`.

    Returns:
        A function that returns a Functional model, see `Preset.build`.

    Example:

    ```python
    MobileNetV2 = family("MobileNetV2", PRESETS["mobilenet_v2"])
    model = MobileNetV2(alpha=0.35, weights=None)
    ```
    """
    signature = inspect.signature(preset.builder)

    def build(*args, **kwargs):
        positional = signature.bind_partial(*args).arguments
        twice = sorted(positional.keys() & kwargs.keys())
        if twice:
            raise TypeError(f"{name}() got two values for {', '.join(twice)}")
        return preset.build(**positional, **kwargs)

    build.__name__ = build.__qualname__ = name
    build.__signature__ = signature
    build.__doc__ = (
        f"Builds {preset.title} for RGB images with values 0 to 255.\n\n"
        "The preprocessing of its weights is part of the network. The "
        "arguments are\nthose of `keras.applications`; `weights` is also the "
        "path of a file, or a model.\nSee `kerastl.apps.Preset.build`."
    )
    return build
