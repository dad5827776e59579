"""Checks of arguments that several places share.

Every check takes NumPy's numbers as well as Python's and returns Python's.
Text and truth values are no numbers, though `float` and `int` would read them.
"""

import difflib
import errno
import math
import operator
import os
import pathlib
from collections.abc import Iterable

import numpy as np


def checked_count(name, value, least=1, most=None) -> int:
    """`value` as an int, which must be a whole number in a range.

    Args:
        name: name of the argument, for the error.
        value: what was passed.
        least: the smallest number that is allowed.
        most: the largest one, or `None`.
    """
    number = _index(value)
    if number is None or number < least or most is not None and number > most:
        limits = f"at least {least}"
        if most is not None:
            limits = f"between {least} and {most}"
        raise ValueError(
            f"`{name}` must be an integer, {limits}. Received: {name}={value!r}"
        )
    return number


def checked_pair(name, value, most=None) -> tuple[int, int]:
    """`value` as a pair of ints of at least 1; one int stands for both.

    Args:
        name: name of the argument, for the error.
        value: what was passed.
        most: the largest number that is allowed, or `None`.
    """
    pair = several(value) or [value, value]
    numbers = [_index(each) for each in pair]
    if len(numbers) != 2 or not all(
        number is not None and 1 <= number <= (most or number)
        for number in numbers
    ):
        limits = f"from 1 to {most}" if most else "of 1 or more"
        raise ValueError(
            f"`{name}` must be an integer {limits}, or a pair of them. "
            f"Received: {name}={value!r}"
        )
    return tuple(numbers)


# What NumPy's older generator takes, and so Keras and scikit-learn.
MOST_SEED = 2**32 - 1


def needed_seed(name, value) -> int:
    """`value` as an int that seeds Keras and scikit-learn, too."""
    return checked_count(name, value, least=0, most=MOST_SEED)


def checked_seed(name, value) -> int | None:
    """`value` as an int of at least 0, or `None` as it is."""
    if value is None:
        return None
    number = _index(value)
    if number is None or number < 0:
        raise ValueError(
            f"`{name}` must be an integer of at least 0, or None. "
            f"Received: {name}={value!r}"
        )
    return number


def checked_number(
    name, value, least=-math.inf, most=math.inf, above=-math.inf, below=math.inf
) -> float:
    """`value` as a float, which must be finite and in a range.

    Args:
        name: name of the argument, for the error.
        value: what was passed.
        least: the smallest number that is allowed.
        most: the largest one.
        above: the number must be larger than this.
        below: the number must be smaller than this.
    """
    number = _float(value)
    if not (
        math.isfinite(number)
        and least <= number <= most
        and above < number < below
    ):
        limits = [
            f"{words} {limit:g}"
            for words, limit in (
                ("at least", least),
                ("above", above),
                ("at most", most),
                ("below", below),
            )
            if math.isfinite(limit)
        ]
        limits = f", {' and '.join(limits)}" if limits else ""
        raise ValueError(
            f"`{name}` must be a finite number{limits}. "
            f"Received: {name}={value!r}"
        )
    return number


def checked_weight(name, value) -> float:
    """`value` as a float, which must be finite and at least 0."""
    number = _float(value)
    if not (math.isfinite(number) and number >= 0):
        raise ValueError(
            f"`{name}` must be a finite number of at least 0. "
            f"Received: {name}={value!r}"
        )
    return number


def checked_probability(name, value, most=1.0, below_one=False) -> float:
    """`value` as a float, which must be between 0 and `most`."""
    number = _float(value)
    if not 0 <= number <= most or below_one and number == 1:
        limits = f"between 0 and {most:g}"
        if below_one:
            limits = "at least 0 and below 1"
        raise ValueError(
            f"`{name}` must be {limits}. Received: {name}={value!r}"
        )
    return number


def checked_flag(name, value) -> bool:
    """`value` as a bool; NumPy's are accepted, a text such as "no" is not.

    Raises:
        ValueError: If it is neither true nor false.
    """
    if not isinstance(value, (bool, np.bool_)):
        raise ValueError(
            f"`{name}` must be True or False. Received: {name}={value!r}"
        )
    return bool(value)


def checked_choice(name, value, known):
    """`value`, which must be one of the names in `known`."""
    if not isinstance(value, str) or value not in known:
        choices = ", ".join(repr(each) for each in known)
        raise ValueError(
            f"`{name}` must be one of {choices}."
            f"{nearest_hint(value, known)} Received: {name}={value!r}"
        )
    return value


def checked_path(name, value, otherwise="") -> pathlib.Path:
    """`value` as a path, which must be a text or a path that holds one.

    Args:
        name: name of the argument, for the error.
        value: what was passed.
        otherwise: what else the argument takes, such as `"a Keras model"`.
    """
    text = os.fspath(value) if isinstance(value, os.PathLike) else value
    # No system takes a null character in a name.
    if not isinstance(text, str) or not text or "\0" in text:
        otherwise = otherwise and f"{otherwise}, or "
        raise ValueError(
            f"`{name}` must be {otherwise}a path: a text that is not empty, "
            f"or a `pathlib.Path`. Received: {name}={value!r} "
            f"(of type {type(value).__name__})"
        )
    path = pathlib.Path(text)
    try:
        path.exists()
    except OSError as error:
        # A text that was meant to be read, and not to be opened.
        if error.errno != errno.ENAMETOOLONG:
            raise
        raise ValueError(
            f"`{name}` must be a path, and no file has a name as long. "
            f"Received: {name}={text[:60]!r}... ({len(text)} characters)"
        ) from error
    return path


def as_paths(name, value) -> list[pathlib.Path]:
    """One path or several as a list."""
    if isinstance(value, (str, bytes, os.PathLike)) or not isinstance(
        value, Iterable
    ):
        value = [value]
    return [checked_path(name, each) for each in value]


def checked_text(name, value) -> str:
    """`value`, which must be a text."""
    if not isinstance(value, str):
        raise ValueError(
            f"`{name}` must be a text. Received: {name}={value!r} "
            f"(of type {type(value).__name__})"
        )
    return value


def split_names(name, text, separator=",") -> list[str]:
    """The names in a text that joins one or several.

    Args:
        name: name of the argument, for the error.
        text: what was passed.
        separator: what stands between two.

    Raises:
        ValueError: If one of them is empty; it says where.
    """
    names = [each.strip() for each in checked_text(name, text).split(separator)]
    if all(names):
        return names
    what = f"`{name}` names nothing: write what belongs there."
    if any(names):
        what = f"`{name}` has {_where_empty(names, separator)}."
    raise ValueError(f"{what} Received: {name}={text!r}")


def _where_empty(names, separator):
    """What to do about the name that is empty, of several."""
    where = f"between two {separator!r}"
    if not names[-1]:
        where = f"behind the last {separator!r}"
    elif not names[0]:
        where = f"before the first {separator!r}"
    return (
        f"nothing {where}: take that {separator!r} out, or write what belongs "
        "there"
    )


def as_names(names) -> list[str]:
    """Several names as a list; a text is one name, and not its letters."""
    return [names] if isinstance(names, str) else several(names, list(names))


def several(value, otherwise=None):
    """What is in a list, a tuple or an array; of one value `otherwise`.

    An argument that is one value or several asks here, so that an array or a
    tensor is everywhere what the list of its values is.
    """
    if isinstance(value, (list, tuple, range)):
        return list(value)
    if hasattr(value, "__array__") and np.ndim(value):
        return np.asarray(value).tolist()
    return otherwise


def checked_model(name, value):
    """`value`, which must be a `keras.Model`."""
    import keras

    if not isinstance(value, keras.Model):
        hint = ""
        if isinstance(value, (str, bytes)) or hasattr(value, "__fspath__"):
            hint = " Read a file with `keras.saving.load_model(path)` first."
        elif isinstance(value, type):
            hint = " This is a class: make a model of it."
        raise ValueError(
            f"`{name}` must be a `keras.Model`.{hint} "
            f"Received: {name}={value!r} (of type {type(value).__name__})"
        )
    return value


def _index(value):
    """`value` as an int, or `None` where it is no whole number's type."""
    if isinstance(value, (bool, np.bool_)):
        return None
    if isinstance(value, np.ndarray) and value.dtype == bool:
        return None
    try:
        return operator.index(value)
    except TypeError:
        return None


def _float(value):
    """`value` as a float, or NaN where it is no number."""
    is_truth = getattr(value, "dtype", None) in (bool, "bool")
    if isinstance(value, (bool, str, bytes, bytearray)) or is_truth:
        return math.nan
    try:
        return float(value)
    except (OverflowError, TypeError, ValueError):
        return math.nan


def nearest_hint(name, known) -> str:
    """ " Did you mean 'x'?" with the nearest known name, or nothing."""
    near = difflib.get_close_matches(
        str(name).lower(), list(known), n=1, cutoff=0.5
    )
    return f" Did you mean {near[0]!r}?" if near else ""


def unknown_name_error(kind, name, known, received=None) -> ValueError:
    """The error for a name that is not in a table, with the nearest that is.

    Args:
        kind: what the name stands for, such as `"preset"`.
        name: the name that was given.
        known: the names that exist.
        received: what was given, where the name is only a part of it,
            joined to others by `+`.
    """
    received = name if received is None else received
    known = sorted(known)
    hint = nearest_hint(name, known)
    if name == "" != received:
        parts = [part.strip() for part in received.split("+")]
        hint = f" It has {_where_empty(parts, '+')}."
    return ValueError(
        f"There is no {kind} of that name.{hint} "
        f"Expected one of {', '.join(known)}. Received: {kind}={received!r}"
    )
