import io

import pytest
from rich.console import Console

from kerastl.apps.report.say import say
from kerastl.apps.report.tables import make_table
from kerastl.apps.report.tables import predictions_table

NAMES = ["shirt [m]", "shirt [l]", "[/b]x", "[red]", ":smile:", "<i>"]


@pytest.fixture
def console():
    return Console(file=io.StringIO(), width=80, force_terminal=False)


def test_names_stand_as_they_are(console):
    say(console, "\n".join(NAMES))
    assert console.file.getvalue().splitlines() == NAMES
    say(None, "nothing")


def test_what_cannot_be_printed_is_escaped(console):
    say(console, "a\x1b]0;b\udcff")
    assert console.file.getvalue() == "a\\x1b]0;b\\udcff\n"


def test_tables_show_names_as_they_are(console):
    console.print(make_table(["name", ">n"], [(n, 1) for n in NAMES]))
    shown = console.file.getvalue()
    for name in NAMES:
        assert f"{name} " in shown
    said = {"class": "shirt [m]", "score": 0.5}
    row = {"image": "[b]/a.jpg", "classes": [said, {**said, "class": "[/x]"}]}
    console.print(predictions_table([row]))
    shown = console.file.getvalue()
    assert "shirt [m]" in shown and "[/x]" in shown


@pytest.mark.parametrize("length", [100, 255])
def test_a_long_name_is_whole(console, length):
    name = "".join(chr(ord("a") + index % 26) for index in range(length))
    console.print(make_table(["NAME", ">N"], [(name, 1)]))
    shown = "".join(filter(str.islower, console.file.getvalue()))
    assert shown == name
    lines = console.file.getvalue().splitlines()
    assert max(map(len, lines)) <= 80
