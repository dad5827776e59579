"""Takes what served training only out of a network."""

import keras

from kerastl.surgery.carry_state import carry_inside
from kerastl.surgery.rebuild import rebuild


def fold_training_layers(
    model: keras.Model, name: str | None = None
) -> keras.Model:
    """Copies a network without the layers that only its training needed.

    `StochNorm` becomes BatchNormalization, `DropConnectDense` becomes
    `Dense`, `StochasticDepth` goes, and so does a `GaussianSmoothing2D` whose
    filter is the identity by now; one that still smooths becomes a fixed
    depthwise convolution. The result computes what `model` computes in
    inference, and loads without kerastl if nothing else of it is in there.

    Args:
        model: A functional or built sequential `keras.Model`; nested models
            are rewritten too.
        name: Name of the new model. Defaults to the name of `model`.

    Returns:
        A functional `keras.Model` that shares nothing with `model`, not
        compiled.

    Raises:
        ValueError: If the model is subclassed.

    Example:

    >>> student = kerastl.surgery.add_stoch_norm(source)
    >>> student.compile("sgd", "sparse_categorical_crossentropy")
    >>> student.fit(images, labels, epochs=20)
    >>> plain = kerastl.surgery.fold_training_layers(student)
    """
    folded = {}

    def call(node, layer, *args, **kwargs):
        operation = node.operation
        if not hasattr(operation, "fold"):
            return layer(*args, **kwargs)
        if id(operation) not in folded:
            plain = folded[id(operation)] = operation.fold()
            if plain is not None:
                carry_inside(operation, plain)
        plain = folded[id(operation)]
        return args[0] if plain is None else plain(*args, **kwargs)

    return rebuild(model, call=call, name=name)
