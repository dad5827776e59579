"""What is said of photos that take long to read."""

import io
import re

import pytest
from rich.console import Console

from kerastl.apps import load_image_folder
from kerastl.apps.data.image_part import map_in_threads
from kerastl.apps.data.reading_progress import shows_reading
from kerastl.apps.data.reading_progress import tracked
from kerastl.apps.runs.run_progress import RunProgress


@pytest.fixture
def console():
    return Console(file=io.StringIO(), width=80)


@pytest.fixture
def terminal():
    return Console(file=io.StringIO(), width=80, force_terminal=True)


def said(console):
    return console.file.getvalue()


def test_a_long_reading_is_said_once(console):
    with shows_reading(console):
        found = list(tracked(iter(range(2500)), 2500, "reading", patience=0))
    assert found == list(range(2500))
    assert said(console) == "reading 2,500 photos\n"


def test_a_terminal_sees_how_far_it_is(terminal):
    with shows_reading(terminal):
        list(tracked(range(40), 40, "reading", patience=0))
    assert re.search(r"\d+%", said(terminal))


def test_what_is_over_soon_is_not_said(console):
    with shows_reading(console):
        assert list(tracked(range(40), 40, "reading")) == list(range(40))
    assert said(console) == ""


@pytest.mark.parametrize("doing", [None, "reading"])
def test_outside_nothing_is_said(console, doing):
    with shows_reading(console):
        if doing is not None:
            with shows_reading(None):
                list(tracked(range(4), 4, doing, patience=0))
        else:
            list(tracked(range(4), 4, doing, patience=0))
    list(tracked(range(4), 4, "reading", patience=0))
    assert said(console) == ""


def test_a_run_that_draws_its_own_line_is_left_alone(terminal):
    """Rich draws one line at a time, and raises an error for a second."""
    with shows_reading(terminal):
        with RunProgress(terminal):
            list(tracked(range(4), 4, "reading", patience=0))
        assert "reading" not in said(terminal)
        list(tracked(range(4), 4, "reading", patience=0))
    assert "reading 4 photos" in said(terminal)


def test_an_error_leaves_the_terminal_as_it_was(terminal):
    def broken(number):
        if number == 3:
            raise OSError("gone")
        return number

    with shows_reading(terminal), pytest.raises(OSError, match="gone"):
        list(tracked(map(broken, range(9)), 9, "reading", patience=0))
    # Another may be drawn: the first was taken down.
    with terminal.status("next"):
        pass


def test_photos_of_a_folder_are_told_of(shapes, monkeypatch):
    tellers = []

    def note(results, count, doing):
        tellers.append((count, doing))
        return results

    monkeypatch.setattr("kerastl.apps.data.image_part.tracked", note)
    load_image_folder(shapes, 16)
    assert tellers == [(45, "reading")]
    assert map_in_threads(str, [1, 2]) == ["1", "2"]
    assert tellers[1:] == [(2, None)]
