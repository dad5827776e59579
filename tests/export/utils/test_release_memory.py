"""Memory that was freed goes back to the system."""

import ctypes
import types

import pytest

from kerastl.export.utils.release_memory import release_memory


def test_the_c_library_is_asked_for_all_that_is_free(monkeypatch):
    asked = []
    library = types.SimpleNamespace(malloc_trim=asked.append)
    monkeypatch.setattr(ctypes, "CDLL", lambda name: library)
    release_memory()
    assert asked == [0]


@pytest.mark.parametrize("error", [None, OSError, TypeError])
def test_other_c_libraries_are_left_alone(monkeypatch, error):
    def load(name):
        if error is not None:
            raise error
        return types.SimpleNamespace()

    monkeypatch.setattr(ctypes, "CDLL", load)
    release_memory()
