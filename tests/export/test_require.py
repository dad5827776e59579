import pytest

from kerastl.export.require import require


def test_returns_the_module():
    assert require("os.path", "python").sep


def test_says_how_to_install_what_is_missing():
    with pytest.raises(ImportError, match="pip install not-there"):
        require("not_there.interpreter", "not-there")
