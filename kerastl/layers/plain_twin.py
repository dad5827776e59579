"""The Keras layer that a layer of ours is in inference."""


def plain_twin(layer, keras_class, left_out):
    """Makes the layer of `keras_class` with the name and weights of `layer`.

    Args:
        layer: A built layer whose class extends `keras_class`.
        keras_class: The class of the twin.
        left_out: Names of the arguments that `keras_class` does not have.
    """
    config = layer.get_config()
    twin = keras_class.from_config(
        {name: config[name] for name in config if name not in left_out}
    )
    # Variables take `trainable` over when they are made.
    twin.trainable = True
    twin.build_from_config(layer.get_build_config())
    twin.set_weights(layer.get_weights())
    return twin
