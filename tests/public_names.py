"""Writes the index of all public names: `python -m tests.public_names`.

A name is public if it stands in the `__all__` of `kerastl`, of one of its
floors, of `kerastl.export` or `kerastl.apps`. The index gives each with its
signature and the first sentence of its docstring; `test_public_names.py` holds
the committed file against the code, so that no default changes unseen.
"""

import dataclasses
import importlib
import inspect
import pathlib

INDEX = pathlib.Path(__file__).parents[1] / "kerastl" / "NAMES.md"
MODULES = [
    "kerastl",
    "kerastl.surgery",
    "kerastl.layers",
    "kerastl.losses",
    "kerastl.regularizers",
    "kerastl.callbacks",
    "kerastl.schedules",
    "kerastl.optimizers",
    "kerastl.metrics",
    "kerastl.data",
    "kerastl.export",
    "kerastl.apps",
]
_START = """\
# Public names

Every public name with its arguments and their defaults, written by
[public_names.py](../tests/public_names.py). What stands in several places is
told once, and what a method does at its class.
[Back to methods and training](README.md).
"""


def public_index():
    """The text of the index, as the code says it."""
    names = {
        module: importlib.import_module(module).__all__ for module in MODULES
    }
    classes = {
        value
        for module in MODULES
        for value in vars(importlib.import_module(module)).values()
        if inspect.isclass(value)
    }
    parts, told = [_START], {}
    for module, public in names.items():
        rows = []
        for name in sorted(public, key=str.lower):
            value = getattr(importlib.import_module(module), name)
            if inspect.ismodule(value) or name.startswith("__"):
                continue
            if id(value) in told:
                rows.append((name, f"`{told[id(value)]}`"))
                continue
            told[id(value)] = f"{module}.{name}"
            if not callable(value):
                rows.append((name, f"A {type(value).__name__}."))
                continue
            rows.append((name + _signature(value), _summary(value)))
            rows += _methods(name, value, classes - {value})
        lines = [f"| `{name}` | {text} |" for name, text in rows]
        head = [f"## {module}", "", "| name | what it is |", "|---|---|"]
        parts.append("\n".join([*head, *lines, ""]))
    return "\n".join(parts)


def _signature(value):
    """Arguments and defaults, without annotations and addresses."""
    if hasattr(value, "__signature__"):
        # Of a function of Keras, of whatever version that is.
        return "(...)"
    signature = inspect.signature(value)
    parameters = [
        each.replace(annotation=each.empty, default=_default(each.default))
        for name, each in signature.parameters.items()
        if name not in ("self", "cls")
    ]
    shown = signature.replace(
        parameters=parameters, return_annotation=signature.empty
    )
    return _cell(str(shown))


class _Named:
    """A default that is known by its name."""

    def __init__(self, name):
        self.name = name

    def __repr__(self):
        return self.name


def _default(value):
    if value is inspect.Parameter.empty or " at 0x" not in repr(value):
        return value
    return _Named(getattr(value, "__qualname__", type(value).__qualname__))


def _methods(name, value, others):
    """What a class itself can do, beside what its public bases can."""
    if not inspect.isclass(value):
        return []
    # Fields that hold functions, and what Keras tells.
    known = {field.name for field in _fields(value)}
    for base in value.__mro__:
        if base in others or not base.__module__.startswith("kerastl"):
            known |= vars(base).keys()
    found = {
        method: getattr(value, method)
        for method in sorted(set(dir(value)) - known)
        if not method.startswith("_")
    }
    return [
        (f"{name}.{method}{_signature(function)}", _summary(function))
        for method, function in found.items()
        if callable(function) and function.__doc__
    ]


def _fields(value):
    return dataclasses.fields(value) if dataclasses.is_dataclass(value) else ()


def _summary(value):
    """The first sentence of a docstring, and whether an object may change."""
    text = inspect.cleandoc(value.__doc__ or "").split("\n\n")[0]
    parameters = getattr(value, "__dataclass_params__", None)
    if parameters is not None and parameters.frozen:
        text += " (Frozen.)"
    return _cell(" ".join(text.split()))


def _cell(text):
    return text.replace("|", "\\|")


if __name__ == "__main__":
    INDEX.write_text(public_index(), encoding="utf-8")
    print(f"Written: {INDEX.name}")
