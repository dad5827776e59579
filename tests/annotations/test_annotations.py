"""Every argument and result of the public names has a type that resolves."""

import ast
import dataclasses
import functools
import importlib
import inspect
import sys
import typing

from ..public_names import MODULES


def public_functions():
    """Public functions and methods, by a name that tells where they are."""
    found = {}
    for module in map(importlib.import_module, MODULES):
        for name in module.__all__:
            value = getattr(module, name)
            # What `keras.applications` builds has the signatures of Keras.
            if hasattr(value, "__signature__"):
                continue
            if inspect.isfunction(value):
                found[f"{value.__module__}.{name}"] = value
            elif inspect.isclass(value):
                found |= _methods(value)
    return found


def _methods(value):
    found = {}
    for base in value.__mro__:
        if not base.__module__.startswith("kerastl"):
            continue
        fields = ()
        if dataclasses.is_dataclass(base):
            fields = {field.name for field in dataclasses.fields(base)}
        for name, member in vars(base).items():
            private = name.startswith("_") and name not in (
                "__init__",
                "__call__",
            )
            member = _function(member)
            # That of a dataclass has the types of its fields, and no file.
            if private or name in fields or "<" in _file(member):
                continue
            found[f"{base.__module__}.{base.__qualname__}.{name}"] = member
    return found


def _function(member):
    if isinstance(member, property):
        return member.fget
    if isinstance(member, functools.cached_property):
        return member.func
    return getattr(member, "__func__", member)


def _file(member):
    return member.__code__.co_filename if inspect.isfunction(member) else "<>"


def names_for_checkers(module):
    """What a module imports where type checkers read it alone."""
    names = {}
    for node in ast.parse(inspect.getsource(module)).body:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            imports = [
                each
                for each in node.body
                if isinstance(each, (ast.Import, ast.ImportFrom))
            ]
            exec(compile(ast.Module(imports, []), "<imports>", "exec"), names)
    return names


FUNCTIONS = public_functions()


def test_the_public_names_are_looked_at():
    for name in (
        "kerastl.surgery.antialias.antialias",
        "kerastl.fine_tuner.FineTuner.__init__",
        "kerastl.fine_tuner.FineTuner.fit",
        "kerastl.training.transfer_loss.TransferLoss.tap_weight",
        "kerastl.apps.data.image_data.ImageData.train",
        "kerastl.export.runners.runner.Runner.predict",
    ):
        assert name in FUNCTIONS
    assert len(FUNCTIONS) > 400


def test_every_argument_and_result_has_a_type():
    missing = {}
    for name, function in FUNCTIONS.items():
        module = sys.modules[function.__module__]
        hints = typing.get_type_hints(
            function, vars(module), names_for_checkers(module)
        )
        parameters = list(inspect.signature(function).parameters)
        # Of a method all but the object or its class.
        wanted = parameters[name != f"{module.__name__}.{function.__name__}" :]
        if left := {*wanted, "return"} - hints.keys():
            missing[name] = left
    assert missing == {}


def test_the_types_of_fields_resolve():
    seen = 0
    for module in map(importlib.import_module, MODULES):
        for value in (getattr(module, name) for name in module.__all__):
            if hasattr(value, "_fields") or dataclasses.is_dataclass(value):
                names = names_for_checkers(sys.modules[value.__module__])
                assert typing.get_type_hints(value, localns=names)
                seen += 1
    assert seen > 15
