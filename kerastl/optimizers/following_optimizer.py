"""Optimizers whose learning rate follows that of others."""

import keras

from kerastl.schedules.scaled_schedule import ScaledSchedule

_FOLLOWER = "_gates"


def follower_name(leader):
    """The name of the optimizer that follows the one of that name."""
    return leader + _FOLLOWER


@keras.saving.register_keras_serializable(package="kerastl")
class FollowingOptimizer(keras.optimizers.MultiOptimizer):
    """Optimizers in pairs: one learns at `factor` times the other's rate.

    A rate that is a number is passed on in every step, so that a callback
    that sets the leader's sets the follower's too. Where there is one leader,
    its rate is the `learning_rate` of the whole, which can be set.

    Args:
        optimizer_map: A `keras.optimizers.OptimizerMap`. The optimizer named
            `follower_name(name)` follows the one named `name`; the others
            have none.
        factor: Rate of a follower, as a multiple of its leader's.
        **kwargs: As in `keras.optimizers.MultiOptimizer`.
    """

    def __init__(self, optimizer_map, factor, **kwargs):
        super().__init__(optimizer_map, **kwargs)
        self.factor = factor

    @property
    def learning_rate(self):
        return self._only_leader().learning_rate

    @learning_rate.setter
    def learning_rate(self, value):
        leader = self._only_leader()
        leader.learning_rate = value
        if callable(value):
            for _, follower in self._pairs():
                follower.learning_rate = ScaledSchedule(value, self.factor)

    def apply(self, grads, trainable_variables=None):
        for leader, follower in self._pairs():
            if isinstance(follower.learning_rate, keras.Variable):
                follower.learning_rate = leader.learning_rate * self.factor
        super().apply(grads, trainable_variables)

    def get_config(self):
        return {**super().get_config(), "factor": self.factor}

    def _pairs(self):
        by_name = {part.name: part for part in self.optimizers}
        return [
            (leader, by_name[follower_name(name)])
            for name, leader in by_name.items()
            if follower_name(name) in by_name
        ]

    def _only_leader(self):
        followers = [id(follower) for _, follower in self._pairs()]
        leaders = [p for p in self.optimizers if id(p) not in followers]
        if len(leaders) > 1:
            # Keras asks with `hasattr`.
            raise AttributeError(
                "The layers have several learning rates. Read or set those of "
                "`optimizer.optimizers`. "
                f"Received: {[leader.name for leader in leaders]}"
            )
        return leaders[0]
