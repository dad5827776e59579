"""An optimizer that forgets what it knows of some weights."""

from collections import Counter

from kerastl.callbacks.optimizer_parts import optimizer_parts


def reset_slots(optimizer, variables):
    """Sets what an optimizer keeps for some weights to its initial values.

    These are the momentum of SGD, the moments of Adam and the like. Its count
    of steps and its learning rate stay.

    Args:
        optimizer: a built `keras.optimizers.Optimizer`.
        variables: weights that it trains.
    """
    wanted = set(map(id, variables))
    for part, held in optimizer_parts(optimizer, variables):
        if not any(id(variable) in wanted for variable in held):
            continue
        fresh = type(part).from_config(part.get_config())
        fresh.build(held)
        # Keras names what it keeps for a weight after the weight, and makes
        # it in the order of the weights: that tells apart what belongs to
        # weights of one path, such as those of two equal backbones.
        owners = {}
        for variable in held:
            prefix = variable.path.replace("/", "_") + "_"
            owners.setdefault(prefix, []).append(id(variable) in wanted)
        seen = Counter()
        for slot, value in zip(part.variables, fresh.variables, strict=True):
            prefix = max(
                filter(slot.name.startswith, owners), key=len, default=None
            )
            if prefix is None:
                continue
            is_wanted = owners[prefix]
            if is_wanted[seen[slot.name] % len(is_wanted)]:
                slot.assign(value)
            seen[slot.name] += 1
