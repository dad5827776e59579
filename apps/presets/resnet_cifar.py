"""The small residual networks for 32 x 32 images."""

import keras


def resnet_cifar(
    depth,
    include_top=True,
    weights=None,
    input_tensor=None,
    input_shape=None,
    classes=10,
    name=None,
    classifier_activation="softmax",
):
    """Builds a CIFAR-size residual network as a plain functional model.

    Three stacks of 16, 32 and 64 filters with one (ResNet-8) or three
    (ResNet-20) blocks each. The stride sits in the first 3x3 convolution of a
    stack and in the 1x1 convolution of its shortcut. ResNet-8 is the image
    classification network of MLPerf Tiny.

    Args:
        depth: Number of layers, `6 * n + 2`.
        include_top: Whether the classifier is included.
        weights: Always `None`; here so that the builder is called like
            those of `keras.applications`.
        input_tensor: The preprocessed images. `None` makes an input.
        input_shape: Shape of that input.
        classes: Number of classes.
        name: Name of the model.

    Returns:
        A Functional model.

    Reference:
        He et al., "Deep Residual Learning for Image Recognition", CVPR 2016,
        section 4.2; Banbury et al., "MLPerf Tiny Benchmark", 2021.
    """
    if weights is not None:
        raise ValueError(
            "There are no ready weights for the CIFAR-size networks. Pass a "
            f"local file or a model. Received: weights={weights!r}"
        )
    if input_tensor is None:
        input_tensor = keras.Input(input_shape or (32, 32, 3))
    x = _convolution(input_tensor, 16, 3, 1, "stem")
    x = keras.layers.BatchNormalization(name="stem_bn")(x)
    x = keras.layers.ReLU(name="stem_relu")(x)
    for stack, filters in enumerate((16, 32, 64), start=1):
        for block in range(1, (depth - 2) // 6 + 1):
            strides = 2 if stack > 1 and block == 1 else 1
            x = _block(x, filters, strides, f"stack{stack}_block{block}")
    if include_top:
        x = keras.layers.GlobalAveragePooling2D(name="avg_pool")(x)
        x = keras.layers.Dense(
            classes,
            activation=classifier_activation,
            kernel_initializer="he_normal",
            name="predictions",
        )(x)
    inputs = keras.utils.get_source_inputs(input_tensor)
    return keras.Model(inputs, x, name=name or f"resnet{depth}")


def _block(inputs, filters, strides, name):
    x = _convolution(inputs, filters, 3, strides, f"{name}_1_conv")
    x = keras.layers.BatchNormalization(name=f"{name}_1_bn")(x)
    x = keras.layers.ReLU(name=f"{name}_1_relu")(x)
    x = _convolution(x, filters, 3, 1, f"{name}_2_conv")
    x = keras.layers.BatchNormalization(name=f"{name}_2_bn")(x)
    shortcut = inputs
    if strides > 1:
        shortcut = _convolution(inputs, filters, 1, strides, f"{name}_0_conv")
    x = keras.layers.Add(name=f"{name}_add")([shortcut, x])
    return keras.layers.ReLU(name=f"{name}_out")(x)


def _convolution(x, filters, kernel_size, strides, name):
    return keras.layers.Conv2D(
        filters,
        kernel_size,
        strides=strides,
        padding="same",
        kernel_initializer="he_normal",
        name=name,
    )(x)
