"""The moving average of a network's weights, kept in weights."""

import contextlib

import keras
from keras import ops

from kerastl.data.batches import as_inputs


class WeightAverage(keras.layers.Layer):
    """Follows variables slowly.

    Args:
        variables: List of the variables to follow; it starts as their copy.
        momentum: Share of the average that a step keeps.
        from_first: Whether the first steps keep less, `1 - 1 / n` in step `n`:
            the average is then the mean of all so far until that is `momentum`.
        name: Name of the layer.
    """

    def __init__(self, variables, momentum, from_first=False, name=None):
        super().__init__(name=name)
        self.momentum = momentum
        self.averages = []
        for number, variable in enumerate(variables):
            copy = self._weight(f"weight_{number}", variable.shape)
            copy.assign(ops.convert_to_numpy(variable))
            self.averages.append(copy)
        self.seen = self._weight("seen", ()) if from_first else None
        self.built = True

    def _weight(self, name, shape):
        return self.add_weight(
            name=name,
            shape=shape,
            initializer="zeros",
            dtype="float32",
            autocast=False,
            trainable=False,
            aggregation="only_first_replica",
        )

    def follow(self, variables):
        """Moves on to the variables as they are, once a training step.

        Args:
            variables: Those of the constructor, in their order.

        Returns:
            List of the averages, float32 tensors without gradient.
        """
        momentum = self.momentum
        if self.seen is not None:
            self.seen.assign(self.seen + 1.0)
            momentum = ops.minimum(1.0 - 1.0 / self.seen, momentum)
        moved = [
            momentum * own.value
            + (1 - momentum) * ops.cast(variable.value, "float32")
            for own, variable in zip(self.averages, variables, strict=True)
        ]
        moved = [ops.stop_gradient(value) for value in moved]
        for own, value in zip(self.averages, moved, strict=True):
            own.assign(value)
        return moved

    def answers(self, network, images):
        """What a network says with the averages, after they moved on a step.

        Args:
            network: The network whose trainable variables are followed.
            images: The images that it sees, as in `predict`.
        """
        outputs, _ = network.stateless_call(
            self.follow(network.trainable_variables),
            [each.value for each in network.non_trainable_variables],
            as_inputs(network, images),
            training=False,
        )
        return outputs

    @contextlib.contextmanager
    def in_place_of(self, variables):
        """The averages stand in the variables while this is open.

        Args:
            variables: Those of the constructor, in their order.
        """
        now = [ops.convert_to_numpy(variable) for variable in variables]
        try:
            for variable, own in zip(variables, self.averages, strict=True):
                variable.assign(ops.convert_to_numpy(own))
            yield
        finally:
            for variable, value in zip(variables, now, strict=True):
                variable.assign(value)
