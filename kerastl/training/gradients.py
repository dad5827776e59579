"""Gradients that Keras has no call for that is the same on every backend.

With respect to an input, and summed over the batches that a network sees.
`input_gradient` is the one place in `kerastl` that speaks to the backends
themselves.
"""

import keras
from keras import ops

from kerastl.data.batches import as_inputs


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


class GradientSums(keras.optimizers.Optimizer):
    """An optimizer that adds up what it is shown, and changes no weight.

    Keras has no call for a gradient that is the same on every backend. A model
    that is compiled with this optimizer and sees a batch in `train_on_batch`
    leaves its gradients here.

    Args:
        measure: function of a gradient that returns what is summed, such as
            `keras.ops.abs` or `keras.ops.square`.

    Attributes:
        sums: one float32 variable a trainable variable of the model, in
            their order.

    Example:

    ```python
    sums = GradientSums(keras.ops.abs)
    model.compile(sums, "sparse_categorical_crossentropy")
    model.train_on_batch(images, labels)
    ```
    """

    def __init__(self, measure):
        super().__init__(learning_rate=0.0, name="gradient_sums")
        self.measure = measure
        self.sums = []

    def build(self, variables):
        if self.built:
            return
        super().build(variables)
        self.sums = self.add_optimizer_variables(variables, "sum")

    def update_step(self, gradient, variable, learning_rate):
        total = self.sums[self._get_variable_index(variable)]
        self.assign_add(total, self.measure(ops.cast(gradient, total.dtype)))


class LossProbe(keras.Model):
    """A network in inference mode whose loss is `-sum_x weight log p(y | x)`.

    The network's own regularizers do not count. Compiled with a
    `GradientSums`, its `train_on_batch` takes integer labels and weights.

    Args:
        network: the network; its weights are not changed.
        kind: what it returns, see `kerastl.surgery.class_outputs`.
    """

    def __init__(self, network, kind):
        super().__init__(name="probe")
        self.network = network
        self.kind = kind

    def call(self, images):
        images = as_inputs(self.network, images)
        return self.network(images, training=False)

    def compute_loss(
        self, x=None, y=None, y_pred=None, sample_weight=None, training=True
    ):
        y_pred = ops.cast(y_pred, "float32")
        crossentropy = keras.losses.sparse_categorical_crossentropy
        if y_pred.shape[-1] == 1:
            crossentropy = keras.losses.binary_crossentropy
            y = ops.reshape(y, (-1, 1))
        losses = crossentropy(y, y_pred, from_logits=self.kind == "logits")
        loss = ops.sum(losses * ops.cast(sample_weight, losses.dtype))
        # Of several replicas each sees the whole batch.
        return self._aggregate_additional_loss(loss)
