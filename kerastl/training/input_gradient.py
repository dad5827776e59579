"""The gradient with respect to an input, which Keras has no function for.

The one place in `kerastl` that speaks to the backends themselves.
"""

import keras


def input_gradient(function, x):
    """The gradient of `function(x)`, a scalar, with respect to `x`.

    Works inside a compiled training step. Nothing flows on through it: what
    `function` reads besides is constant.

    Args:
        function: Function of one tensor that returns a scalar. It must not
            change any variable.
        x: A tensor of floats.

    Returns:
        A tensor like `x`.
    """
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        with tf.GradientTape() as tape:
            tape.watch(x)
            value = function(x)
        return tape.gradient(value, x)
    if backend == "jax":
        import jax

        return jax.grad(function)(x)
    if backend == "torch":
        import torch

        with torch.enable_grad():
            x = x.detach().requires_grad_()
            return torch.autograd.grad(function(x), x)[0]
    raise NotImplementedError(
        "Gradients with respect to images are available with the backends "
        f"tensorflow, jax and torch. Received: backend={backend!r}"
    )
