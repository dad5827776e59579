import logging
import os
import warnings

import pytest

from kerastl.export.utils.third_party import quiet_console
from kerastl.export.utils.third_party import require


def test_returns_the_module():
    assert require("os.path", "python").sep


def test_says_how_to_install_what_is_missing():
    with pytest.raises(ImportError, match="pip install not-there"):
        require("not_there.interpreter", "not-there")


def test_nothing_reaches_the_console(capfd):
    with quiet_console():
        os.write(2, b"from C++\n")
        warnings.warn("from Python", stacklevel=1)
        print("progress")
        logging.getLogger("converter").warning("from a logger")
    os.write(2, b"after\n")
    assert capfd.readouterr() == ("", "after\n")


def test_an_error_carries_what_was_held_back():
    with pytest.raises(ValueError, match="broken") as error:
        with quiet_console():
            os.write(2, b"the reason\n")
            raise ValueError("broken")
    assert error.value.__notes__ == ["the reason"]


def test_the_end_of_a_long_dump_is_carried():
    with pytest.raises(ValueError) as error:
        with quiet_console():
            os.write(2, b"a" * 9000 + b"the reason\n")
            raise ValueError("broken")
    [note] = error.value.__notes__
    assert note == "a" * 3990 + "the reason"


@pytest.mark.parametrize("level", [logging.INFO, logging.ERROR])
def test_what_is_off_already_stays_off(level):
    logging.disable(level)
    try:
        with quiet_console():
            assert logging.root.manager.disable == max(level, logging.WARNING)
        assert logging.root.manager.disable == level
    finally:
        logging.disable(logging.NOTSET)


def test_everything_is_restored_after_an_error(capfd):
    before = logging.root.manager.disable
    with pytest.raises(ValueError):
        with quiet_console():
            raise ValueError
    os.write(2, b"heard\n")
    assert capfd.readouterr().err == "heard\n"
    assert logging.root.manager.disable == before


def test_descriptors_are_not_leaked():
    count = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        with quiet_console():
            pass
    assert len(os.listdir("/proc/self/fd")) == count
