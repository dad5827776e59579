"""Fresh processes come from the one that has imported TensorFlow already."""

import os

import pytest

pytestmark = [
    pytest.mark.tensorflow_only,
    pytest.mark.forks,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="it forks"),
]

LOADED = "import sys; print('keras' in sys.modules, 'kerastl' in sys.modules)"


def test_what_packages_set_when_they_are_imported_is_no_other_environment(
    run_in_fresh_process, _interpreter, monkeypatch
):
    assert run_in_fresh_process(LOADED) == "True False"
    for name in ("KMP_INIT_AT_FORK", "TF_CPP_MIN_LOG_LEVEL"):
        monkeypatch.setenv(name, "3")
    assert _interpreter.fits()
    monkeypatch.setenv("TF_USE_LEGACY_KERAS", "1")
    assert not _interpreter.fits()
