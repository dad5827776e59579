"""A learning rate of their own for the layers that decide.

It follows that of the other layers.
"""

import keras

from kerastl.layers.gates import BinaryGates
from kerastl.optimizers.grouped_optimizer import GroupedOptimizer
from kerastl.optimizers.grouped_optimizer import scaled_copy
from kerastl.optimizers.grouped_optimizer import weight_patterns
from kerastl.schedules.scaled_schedule import ScaledSchedule
from kerastl.surgery.graph import is_graph
from kerastl.surgery.graph import read_graph
from kerastl.surgery.graph import walk

_FOLLOWER = "_gates"


def gate_optimizer(
    model: keras.Model,
    base: str | keras.optimizers.Optimizer,
    factor: float = 10.0,
) -> keras.optimizers.Optimizer:
    """Makes an optimizer in which gates learn faster or slower than the rest.

    The layers that decide for AdaFilter (projections, recurrent gate, logits)
    or SpotTune (policy network, logits) learn at `factor` times the rate of
    `base`, all others as `base` says: `factor=1` is `base` itself. A layer
    decides if what it computes reaches the output through
    `kerastl.layers.BinaryGates` only; what a policy network shares with the
    network is the network's.

    Schedules, momentum and all other settings of `base` are kept, with XLA,
    mixed precision, saving and loading. A callback that sets the learning
    rate sets that of the network, and the gates' goes along.

    Args:
        model: A network made by `kerastl.surgery.add_gated_filters` or
            `kerastl.surgery.add_block_routing`. Inside a `FineTuner`: its
            student.
        base: A `keras.optimizers.Optimizer`, or one of several rates, such as
            that of `kerastl.optimizers.layer_decay_optimizer`: then gates
            learn at `factor` times the rate that they have in it.
        factor: Rate of the gates, as a multiple of the network's. Assumed:
            10 for AdaFilter. 0.1 is that of SpotTune, in the authors' code.

    Returns:
        A `keras.optimizers.MultiOptimizer`. If `base` has a single rate, its
        `learning_rate` is that of the network.

    Raises:
        ValueError: If `factor` is not positive, the model has no gates that
            train, or `base` scales its loss, has a rate for gates already or
            chooses among optimizers by a function.

    Example:

    ```python
    gated = kerastl.surgery.add_gated_filters(student)
    optimizer = kerastl.optimizers.gate_optimizer(
        gated, keras.optimizers.SGD(0.01, momentum=0.9)
    )
    gated.compile(optimizer, "sparse_categorical_crossentropy")
    ```

    Reference:
        Guo et al., "AdaFilter: Adaptive Filter Fine-tuning for Deep Transfer
        Learning", AAAI 2020; Guo et al., "SpotTune: Transfer Learning through
        Adaptive Fine-tuning", CVPR 2019, whose code also decays the weights
        of the policy network, which is left out here.
    """
    if not factor > 0:
        raise ValueError(
            "`factor` must be more than 0, or the gates stay as they were "
            f"drawn. Received: factor={factor}"
        )
    base = keras.optimizers.get(base)
    wrappers = (keras.optimizers.LossScaleOptimizer, FollowingOptimizer)
    if isinstance(base, wrappers):
        raise ValueError(
            "`base` must be an optimizer that neither scales the loss nor has "
            "a rate for gates, such as `keras.optimizers.SGD(0.01)`. Mixed "
            f"precision is added by `compile`. Received: base={base}"
        )
    gates = _gate_patterns(model)
    if not gates:
        raise ValueError(
            "The model has no gates that train. Put them on with "
            "`kerastl.surgery.add_gated_filters` or "
            "`kerastl.surgery.add_block_routing`, and leave them trainable. "
            f"Received: model={model.name!r}"
        )
    chosen = _split(base, gates, float(factor))
    # What clips all parts as one goes on doing so.
    clipnorm = getattr(base, "global_clipnorm", None)
    if not isinstance(base, keras.optimizers.MultiOptimizer):
        clipnorm = None
    return FollowingOptimizer(chosen, float(factor), global_clipnorm=clipnorm)


def _split(base, gates, factor):
    """The map of `base`, with the gates of every part in one of their own."""
    if isinstance(base, keras.optimizers.MultiOptimizer):
        config = base.get_config()["optimizer_map"]
        if config["class_name"] != keras.optimizers.OptimizerMap.__name__:
            raise ValueError(
                "The optimizers of `base` must be in a "
                "`keras.optimizers.OptimizerMap`, which can be split. "
                f"Received: base={base}, with a {config['class_name']}"
            )
        given = keras.saving.deserialize_keras_object(config)
    else:
        copy = type(base).from_config(base.get_config())
        given = keras.optimizers.OptimizerMap(default_optimizer=copy)
    by_part = {}
    for path, pattern in gates.items():
        by_part.setdefault(id(given[path]), set()).add(pattern)
    no_gate = f"(?!(?:{'|'.join(sorted(set(gates.values())))})$)"
    chosen = keras.optimizers.OptimizerMap(given.default_optimizer)
    for pattern, part in given.items():
        chosen[f"{no_gate}(?:{pattern})"] = part
    parts = [given.default_optimizer, *given.values()]
    for index, part in enumerate(parts):
        # Followers find their leaders by name. Columns of the history are
        # named so too, and Keras's own names differ from run to run.
        part.name = f"network_{index}" if index else "network"
        if id(part) in by_part:
            follower = scaled_copy(part, follower_name(part.name), factor)
            chosen["|".join(sorted(by_part[id(part)]))] = follower
    return chosen


def _gate_patterns(model):
    """Patterns of the weights of the layers that decide, by their path."""
    network = set(map(id, _network_layers(model)))
    gates, others, deciding = {}, {}, {}
    for _, node in walk(model):
        if getattr(node.operation, "trainable_weights", ()):
            patterns = weight_patterns(node.operation)
            ids = {w.path: id(w) for w in node.operation.trainable_weights}
            if id(node.operation) in network:
                others.update(ids)
            else:
                gates.update(patterns)
                deciding.update(ids)
    for path in gates.keys() & others.keys():
        if deciding[path] != others[path]:
            raise ValueError(
                "Keras chooses the optimizer of a weight by its `path`, and a "
                "weight that decides has that of one of the network. Give "
                "their layers names of their own. "
                f"Received: two weights of path {path!r}"
            )
    return {path: gates[path] for path in gates.keys() - others.keys()}


def _network_layers(model):
    """The layers from which a way around the gates leads to the output."""
    graph = read_graph(model)
    wanted = {id(tensor) for tensor in keras.tree.flatten(graph.outputs)}
    found = []
    for node in reversed(graph.nodes):
        is_read = any(id(tensor) in wanted for tensor in node.outputs)
        if not is_read or isinstance(node.operation, BinaryGates):
            continue
        wanted.update(map(id, node.inputs))
        if is_graph(node.operation):
            found += _network_layers(node.operation)
        else:
            found.append(node.operation)
    return found


def follower_name(leader):
    """The name of the optimizer that follows the one of that name."""
    return leader + _FOLLOWER


@keras.saving.register_keras_serializable(package="kerastl")
class FollowingOptimizer(GroupedOptimizer):
    """Optimizers in pairs: one learns at `factor` times the other's rate.

    A rate that is a number is passed on in every step, so that a callback
    that sets the leader's sets the follower's too. Where there is one leader,
    its rate is the `learning_rate` of the whole, which can be set.

    Args:
        optimizer_map: A `keras.optimizers.OptimizerMap`. The optimizer named
            `follower_name(name)` follows the one named `name`; the others
            have none.
        factor: Rate of a follower, as a multiple of its leader's.
        **kwargs: As in `GroupedOptimizer`.
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
