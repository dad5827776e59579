import logging
import os
import warnings

import pytest

from kerastl.export.quiet import quiet_console


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
