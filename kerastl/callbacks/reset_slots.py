"""An optimizer that forgets what it knows of some weights."""

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
        mine = [variable for variable in held if id(variable) in wanted]
        if not mine:
            continue
        fresh = type(part).from_config(part.get_config())
        fresh.build(mine)
        # Keras names what it keeps for a weight after the weight.
        prefixes = tuple(v.path.replace("/", "_") + "_" for v in mine)
        values = {
            (variable.name, tuple(variable.shape)): variable
            for variable in fresh.variables
            if variable.name.startswith(prefixes)
        }
        for variable in part.variables:
            value = values.get((variable.name, tuple(variable.shape)))
            if value is not None:
                variable.assign(value)
