import contextlib

import keras

from kerastl.surgery.find_kernels import find_kernels


class WeightCallback(keras.callbacks.Callback):
    """Base of the callbacks that hold kernels in some form while they train.

    A subclass implements `make_constraint(kernel)`, which is asked before the
    first epoch, when a training that is resumed has its weights back.

    Args:
        layers: names of the layers, at any depth. `None` takes every
            convolution and dense layer.
        depthwise: whether depthwise kernels are taken too.
    """

    def __init__(self, layers=None, depthwise=False):
        super().__init__()
        self.layers = layers
        self.depthwise = depthwise
        self.kernels = []
        self.constraints = []

    @property
    def network(self):
        """The network that is trained; of a `FineTuner`, its student."""
        model = self.model
        return getattr(model, "student", model)

    def make_constraint(self, kernel):
        """Returns the `HeldConstraint` of a kernel, `None` to leave it."""
        raise NotImplementedError(
            f"{type(self).__name__} must implement `make_constraint(kernel)`."
        )

    def on_train_begin(self, logs=None):
        self._release()  # of a training that was interrupted
        find_kernels(self.network, self.layers, self.depthwise)

    def on_epoch_begin(self, epoch, logs=None):
        if self.kernels:
            return
        with self.strategy_scope():
            for kernel in find_kernels(
                self.network, self.layers, self.depthwise
            ):
                constraint = self.make_constraint(kernel)
                if constraint is not None:
                    self.kernels.append(kernel)
                    self.constraints.append(constraint)
                    constraint.attach(kernel.variable)
        self.retrace()

    def on_train_end(self, logs=None):
        self._release()
        self.retrace()

    def strategy_scope(self):
        """Where variables are made and assigned, under `tf.distribute`."""
        strategy = getattr(self.model, "distribute_strategy", None)
        return strategy.scope() if strategy else contextlib.nullcontext()

    def retrace(self):
        """Lets the next training step see the constraints as they are."""
        self.model.make_train_function(force=True)

    def _release(self):
        for kernel, constraint in zip(
            self.kernels, self.constraints, strict=True
        ):
            constraint.detach(kernel.variable)
        self.kernels, self.constraints = [], []
