"""What a layer knows, handed on to the layer that takes its place."""

import functools
import json
import tempfile

import keras
import numpy as np

from kerastl.surgery.graph import hidden_layers

# What the configs of two layers that do the same may differ in.
_NOT_COMPARED = ("dtype", "name", "trainable")

_ATOMS = (bool, int, float, complex, str, bytes, np.generic, type(None))


class RemakeError(ValueError):
    """A layer of which no equal can be made.

    Args:
        layer: The layer or operation.
        message: What is wrong, and what to do.
    """

    def __init__(self, layer, message):
        super().__init__(message)
        self.layer = layer


def carry_state(original, clone):
    """Gives a clone all that a layer has learned, was given or worked out.

    Variables (statistics and random generators included), and what stands
    outside of them: what the layer's class saves by Keras's own protocol
    (`save_own_variables`, `save_assets`: the vocabulary of a lookup), plain
    values and arrays in its attributes, such as those that an `adapt()` of a
    user's layer sets, and what `finalize_state()` makes of variables, such as
    the constants that `keras.layers.Normalization` computes with. Nothing is
    shared.

    Args:
        original: a built layer or operation.
        clone: a built one that takes its place, with the same variables and
            perhaps its own after them. Attributes are carried over to one of
            the same class and config only; the dtype policy may differ.

    Raises:
        RemakeError: if the clone has other variables.
    """
    variables = _matched_variables(original, clone)
    pairs = _pairs(original, clone)
    for old, new in pairs:
        _carry_saved(old, new)
        if getattr(old, "lora_enabled", False):
            # A layer that is built from its config forgets the factor.
            new.lora_alpha = old.lora_alpha
    for old, new in variables:
        _carry_variable(old, new)
    if pairs and _same_config(original, clone):
        for old, new in pairs:
            _carry_attributes(old, new)
    finalize_state(clone)
    for old, new in pairs:
        _carry_constants(old, new)
    if not pairs:
        carry_inside(original, clone)


def carry_inside(original, clone):
    """Carries what the layers inside a layer know, such as its activation.

    For a clone of another class or with another kernel, which gets its own
    weights in another way.

    Args:
        original: a built layer.
        clone: a built one that takes its place.
    """
    if not isinstance(original, keras.Layer):
        return
    inside = hidden_layers(original), hidden_layers(clone)
    if [*map(type, inside[0])] != [*map(type, inside[1])]:
        return
    for old, new in zip(*inside, strict=True):
        carry_state(old, new)


def _carry_constants(original, clone):
    """Carries what `finalize_state` made, as it is.

    Of variables that were assigned since, the original computes with the old
    constants still, and so must its copy. One of another precision has what
    it made itself.
    """
    if not hasattr(original, "finalize_state"):
        return
    for name, value in vars(original).items():
        made = getattr(clone, name, None)
        # TensorFlow takes variables for tensors, and they are carried already.
        if isinstance(value, keras.Variable):
            continue
        if keras.ops.is_tensor(value) and keras.ops.is_tensor(made):
            value = keras.ops.convert_to_numpy(value)
            old = keras.ops.convert_to_numpy(made)
            if (value.shape, value.dtype) == (old.shape, old.dtype):
                made = keras.ops.convert_to_tensor(value, dtype=made.dtype)
                setattr(clone, name, made)


def finalize_state(layer):
    """Lets layers work out anew what they compute with, of their variables.

    For after these were assigned, in a layer or model and all inside it.

    Args:
        layer: a built `keras.Layer`, model or operation.
    """
    if not isinstance(layer, keras.Layer):
        return
    for each in [layer, *hidden_layers(layer)]:
        # One without variables made its state of data that is gone.
        if each.weights and hasattr(each, "finalize_state"):
            each.finalize_state()
    # A step that is traced already would go on with the old constants.
    for name in ("train_function", "test_function", "predict_function"):
        if getattr(layer, name, None) is not None:
            setattr(layer, name, None)


def _pairs(original, clone):
    """Layer and clone, and the layers inside them where they correspond."""
    if not isinstance(original, keras.Layer) or type(original) is not type(
        clone
    ):
        return []
    inside = hidden_layers(original), hidden_layers(clone)
    if [*map(type, inside[0])] != [*map(type, inside[1])]:
        return [(original, clone)]
    return [(original, clone), *zip(*inside, strict=True)]


class _Store(dict):
    """Takes copies, as a file does."""

    def __setitem__(self, name, value):
        if isinstance(value, keras.Variable):
            value = keras.ops.convert_to_numpy(value)
        super().__setitem__(name, np.array(value))


def _carry_saved(original, clone):
    """Carries what the class itself says is to be saved."""
    if hasattr(original, "save_assets"):
        with tempfile.TemporaryDirectory() as folder:
            original.save_assets(folder)
            clone.load_assets(folder)
    if type(clone).load_own_variables not in _variables_alone():
        store = _Store()
        original.save_own_variables(store)
        clone.load_own_variables(store)


@functools.cache
def _variables_alone():
    """The ways to load that give a layer its variables and nothing else.

    These are carried over anyway. Most layers of a CNN have one of their own,
    for kernels that are quantized.
    """
    classes = keras.Layer, keras.layers.Conv2D, keras.layers.Dense
    return {each.load_own_variables for each in classes}


def _matched_variables(original, clone):
    # Operations of `keras.ops` have no variables.
    old = getattr(original, "variables", [])
    new = _in_order(old, getattr(clone, "variables", []))[: len(old)]
    if [v.shape for v in old] != [v.shape for v in new]:
        raise RemakeError(
            original,
            "The layer that takes the place of another must have the same "
            "variables before any of its own, because they are copied. A "
            "class of layers whose config is to make them again makes them in "
            "`build()`, and tells in `get_config()` what they depend on. "
            f"Received: layer={original.name} (of type "
            f"{type(original).__name__}) with variables {_describe(old)}, "
            f"replaced by one with {_describe(new)}",
        )
    return list(zip(old, new, strict=True))


def _carry_variable(original, clone):
    # Without the copy JAX would share the buffer, and training one model
    # would delete it under the other.
    clone.assign(keras.ops.copy(original.value))
    # A penalty may hold values of its own, such as the starting point of the
    # weight.
    penalty = original.regularizer
    if getattr(penalty, "variables", None):
        if clone.regularizer is None:
            # The layer holds the weight's own layer inside, whose penalty is
            # not in its config.
            clone.regularizer = type(penalty).from_config(penalty.get_config())
        clone.regularizer.assign(penalty.variables)


def _in_order(old, new):
    """`new` in the order of `old`, where they are the same but for that.

    A layer that was quantized after it was built made its variables in
    another order than one that is built quantized.
    """
    names, found = [v.name for v in old], {v.name: v for v in new}
    if len(found) == len(new) and sorted(names) == sorted(found):
        return [found[name] for name in names]
    return new


def _describe(variables):
    return [(v.name, tuple(v.shape)) for v in variables]


def _same_config(original, clone):
    return _comparable(original.get_config()) == _comparable(clone.get_config())


def _comparable(config):
    return json.dumps(_compared(config), sort_keys=True, default=_as_text)


def _compared(config):
    if isinstance(config, dict):
        return {
            str(name): _compared(value)
            for name, value in config.items()
            if name not in _NOT_COMPARED
        }
    if isinstance(config, (list, tuple)):
        return [_compared(value) for value in config]
    return config


def _as_text(value):
    return value.tolist() if hasattr(value, "tolist") else str(value)


def _carry_attributes(original, clone):
    """Copies the plain values of a layer's attributes that its clone lacks.

    Numbers, texts, arrays, tensors, and lists, tuples and dicts of them:
    what a layer has worked out, or was set, after it was made, and what its
    config and its variables do not tell. Everything else (variables, layers,
    functions, tables) is left alone, and so is what Keras itself keeps.

    Args:
        original: a built `keras.Layer`.
        clone: a built layer of the same class and config; its dtype policy
            may differ.
    """
    own = _attributes_of_keras()
    same_policy = original.dtype_policy.name == clone.dtype_policy.name
    for name, value in vars(original).items():
        if name in own or name.startswith("_self_") or not _is_plain(value):
            continue
        if not same_policy and isinstance(value, str):
            continue  # it may name a dtype
        mine = vars(clone).get(name)
        if name in vars(clone) and _says_the_same(value, mine):
            continue
        setattr(clone, name, _copied(value, original, clone))


@functools.cache
def _attributes_of_keras():
    """Names of what every layer and model has, which is no layer's own."""
    layer = keras.layers.Identity(name="any_layer")
    layer(keras.KerasTensor((None, 1)))
    return {*vars(layer), *vars(keras.Model(name="any_model"))}


def _is_plain(value):
    # First, for most are: to ask whether something is a tensor takes long.
    if isinstance(value, _ATOMS):
        return True
    if isinstance(value, keras.Variable):
        return False
    if isinstance(value, np.ndarray):
        return value.dtype != object
    if keras.ops.is_tensor(value):
        return _array(value) is not None
    if isinstance(value, dict):
        return all(map(_is_plain, value.values()))
    if isinstance(value, (list, tuple)):
        return all(map(_is_plain, value))
    return False


def _array(value):
    """A tensor's value; `None` of one in a graph, which has none."""
    if isinstance(value, np.ndarray):
        return value
    try:
        return keras.ops.convert_to_numpy(value)
    except (AttributeError, NotImplementedError, TypeError):
        return None


def _is_array(value):
    return isinstance(value, np.ndarray) or keras.ops.is_tensor(value)


def _says_the_same(value, mine):
    """Whether `mine` is `value`, or what was rounded to it."""
    if isinstance(value, _ATOMS) and type(mine) is type(value):
        return bool(mine == value)
    if _is_array(value):
        if not _is_array(mine):
            return False
        value, mine = _array(value), _array(mine)
        return mine is not None and np.array_equal(
            value, mine.astype(value.dtype)
        )
    if isinstance(value, dict):
        return (
            isinstance(mine, dict)
            and value.keys() == mine.keys()
            and all(_says_the_same(value[name], mine[name]) for name in value)
        )
    if isinstance(value, (list, tuple)):
        return (
            isinstance(mine, (list, tuple))
            and len(value) == len(mine)
            and all(map(_says_the_same, value, mine))
        )
    return not _is_array(mine) and type(mine) is type(value) and mine == value


def _copied(value, original, clone):
    if isinstance(value, np.ndarray):
        return value.copy()
    if keras.ops.is_tensor(value):
        dtype = keras.backend.standardize_dtype(value.dtype)
        if dtype == original.compute_dtype:
            dtype = clone.compute_dtype
        return keras.ops.convert_to_tensor(_array(value).copy(), dtype)
    if isinstance(value, dict):
        return {
            name: _copied(each, original, clone) for name, each in value.items()
        }
    if isinstance(value, (list, tuple)):
        copies = [_copied(each, original, clone) for each in value]
        # A named tuple takes its values one by one.
        if hasattr(value, "_fields"):
            return type(value)(*copies)
        return tuple(copies) if isinstance(value, tuple) else copies
    return value
