"""What a layer keeps in plain attributes, handed on to its clone."""

import functools

import keras
import numpy as np

_ATOMS = (bool, int, float, complex, str, bytes, np.generic, type(None))


def carry_attributes(original, clone):
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
    return isinstance(value, _ATOMS)


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
