"""Numbers, flags and seeds that classes are made with, all of them alike.

Every public class whose arguments have a default of that kind: NumPy's
numbers are numbers, and what is none is refused where it is given, not an hour
later.
"""

import inspect
import math

import keras
import numpy as np
import pytest

import kerastl

_IMAGES = np.zeros((4, 8, 8, 3), "float32")
_LABELS = np.arange(4)
# What classes have no default for; those that need a network are tested
# where they are.
_NEEDED = {
    "arrays": (_IMAGES, _LABELS),
    "batch_size": 2,
    "begin_step": 0,
    "data": (_IMAGES, _LABELS),
    "dataset": [_IMAGES],
    "end_step": 9,
    "final_sparsity": 0.5,
    "filters": 4,
    "images": _IMAGES,
    "initial_sparsity": 0.1,
    "kernel_size": 3,
    "labels": _LABELS,
    "learning_rate": 0.1,
    "num_samples": 4,
    "sample_filter": kerastl.data.SampleFilter(4),
    "schedule": 0.5,
    "strength": 0.1,
    "target_sparsity": 0.5,
    "total_steps": 12,
    "units": 4,
}
# Keras's own arguments, and classes that their makers alone call.
_KERAS = {"dtype", "name", "trainable"}
_INNER = {"AnchoredL2"}
_ROOMS = (
    *(kerastl.callbacks, kerastl.data, kerastl.layers, kerastl.losses),
    *(kerastl.regularizers, kerastl.schedules),
)


def _classes():
    return {
        found
        for room in _ROOMS
        for name, found in vars(room).items()
        if inspect.isclass(found) and not name.startswith("_")
        if name not in _INNER
    }


def _arguments():
    """Every class, its needed arguments, and one that has a plain value."""
    for made in sorted(_classes(), key=lambda each: each.__name__):
        parameters = [
            each
            for each in inspect.signature(made).parameters.values()
            if each.kind is not each.VAR_KEYWORD and each.name not in _KERAS
        ]
        needed = {
            each.name: _NEEDED.get(each.name)
            for each in parameters
            if each.default is each.empty
        }
        if any(value is None for value in needed.values()):
            continue
        if _needs_a_network(made, needed):
            continue
        for each in parameters:
            value = needed.get(each.name, each.default)
            if each.name == "seed":
                value = 0
            if isinstance(value, (bool, int, float)):
                yield pytest.param(
                    made,
                    needed,
                    each.name,
                    value,
                    id=f"{made.__name__}-{each.name}",
                )


def _needs_a_network(made, needed):
    try:
        made(**needed)
    except ValueError:
        return True
    return False


EVERY = list(_arguments())


def test_many_are_looked_at():
    assert len(EVERY) > 80


def _make(made, needed, name, value):
    return made(**{**needed, name: value})


@pytest.mark.parametrize(("made", "needed", "name", "value"), EVERY)
def test_numbers_of_numpy_are_numbers(made, needed, name, value):
    as_numpy = {bool: np.bool_, int: np.int64, float: np.float32}[type(value)]
    made_with = _make(made, needed, name, as_numpy(value))
    if hasattr(made_with, "get_config"):
        keras.saving.serialize_keras_object(made_with)


@pytest.mark.parametrize(("made", "needed", "name", "value"), EVERY)
def test_what_is_no_number_is_refused(made, needed, name, value):
    wrong = ["no", [value]]
    if not isinstance(value, bool):
        wrong.append(math.nan)
    for each in wrong:
        with pytest.raises(ValueError, match="Received: "):
            _make(made, needed, name, each)


@pytest.mark.parametrize(
    ("made", "needed", "name", "value"),
    [each for each in EVERY if each.values[2] in ("seed", "batch_size")],
)
def test_counts_and_seeds_are_not_negative(made, needed, name, value):
    for each in (-1, 1.5):
        with pytest.raises(ValueError, match=f"Received: {name}="):
            _make(made, needed, name, each)
