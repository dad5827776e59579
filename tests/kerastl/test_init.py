"""What a user reaches from `import kerastl`."""

import importlib
import inspect
import pkgutil
import types

import pytest

import kerastl


def _packages():
    import kerastl.apps
    import kerastl.export

    return [
        "kerastl",
        *(
            found.name
            for found in pkgutil.walk_packages(kerastl.__path__, "kerastl.")
            if found.ispkg
        ),
        *(
            found.name
            for each in (kerastl.apps, kerastl.export)
            for found in pkgutil.walk_packages(
                each.__path__, f"{each.__name__}."
            )
            if found.ispkg
        ),
        "kerastl.apps",
        "kerastl.export",
    ]


PACKAGES = sorted(set(_packages()))
PUBLIC = {
    name
    for package in map(importlib.import_module, PACKAGES)
    for name in getattr(package, "__all__", ())
}


def test_all_packages_are_looked_at():
    for package in (
        "kerastl.surgery",
        "kerastl.training",
        "kerastl.export.diagnosis",
        "kerastl.apps.presets",
    ):
        assert package in PACKAGES


@pytest.mark.parametrize("package", PACKAGES)
def test_no_module_hides_what_it_is_named_after(package):
    module = importlib.import_module(package)
    for name in PUBLIC:
        found = getattr(module, name, None)
        if isinstance(found, types.ModuleType):
            assert not hasattr(found, name), f"{package}.{name}"


@pytest.mark.parametrize("package", PACKAGES)
def test_public_names_are_there_once(package):
    module = importlib.import_module(package)
    names = list(getattr(module, "__all__", ()))
    assert len(names) == len(set(names))
    for name in names:
        found = getattr(module, name)
        if inspect.isfunction(found) or inspect.isclass(found):
            assert found.__name__ == name


def test_a_function_has_one_name_in_every_place():
    places = {}
    for package in PACKAGES:
        module = importlib.import_module(package)
        for name in getattr(module, "__all__", ()):
            found = getattr(module, name)
            if callable(found) and not name.startswith("__"):
                assert places.setdefault(name, found) is found, name
    assert kerastl.surgery.imprint_head is kerastl.imprint_head
    assert kerastl.surgery.initialize_head is kerastl.initialize_head
    assert kerastl.surgery.similarity_matrix is kerastl.similarity_matrix


def test_exporters_and_apps_come_when_they_are_asked_for(
    run_in_new_interpreter,
):
    printed = run_in_new_interpreter(
        """
        import sys
        import keras

        before = set(sys.modules)
        import kerastl

        def loaded():
            return sorted(
                (set(sys.modules) - before)
                & {"onnx", "ai_edge_litert", "typer", "jinja2", "rich",
                   "sklearn", "matplotlib", "PIL", "tf_keras"}
            ), [name for name in sys.modules
                if name.startswith(("kerastl.apps", "kerastl.export"))]

        print(loaded(), {"apps", "export"} <= set(dir(kerastl)), loaded())
        print(kerastl.export.to_tflite.__name__)
        print(kerastl.apps.fine_tune.__name__)
        from kerastl import export
        print(kerastl.export is export)
        """
    )
    assert printed.splitlines() == [
        "([], []) True ([], [])",
        "to_tflite",
        "fine_tune",
        "True",
    ]


def test_a_name_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="'fine_tunner'") as caught:
        kerastl.fine_tunner  # noqa: B018
    assert caught.value.name == "fine_tunner"
    assert caught.value.obj is kerastl
    assert not hasattr(kerastl, "nothing")
