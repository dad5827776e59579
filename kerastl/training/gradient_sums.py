"""Sums of gradients, on every backend."""

import keras
from keras import ops


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
