"""The listings at 80 columns: what is read as one name stands in one piece."""

import pytest
from typer.testing import CliRunner

from kerastl_command_line import listings
from kerastl_command_line.app import app

pytestmark = pytest.mark.tensorflow_only


def lines(verb):
    result = CliRunner().invoke(app, [verb], env={"COLUMNS": "80"})
    assert result.exit_code == 0
    assert all(len(line) <= 80 for line in result.output.splitlines())
    return [line for line in result.output.splitlines() if line.strip()]


@pytest.mark.parametrize("verb", ["presets", "methods", "schemes"])
def test_no_word_is_broken_in_two(verb):
    words = {word for line in lines(verb) for word in line.split()}
    for row in getattr(listings, f"list_{verb}")():
        for name, cell in row.items():
            assert set(name.split()) <= words
            if isinstance(cell, str):
                assert set(cell.split()) <= words


def test_a_network_takes_one_line_and_the_points_stand_in_line():
    heading, rule, *rows = lines("presets")
    presets = listings.list_presets()
    assert len(rows) == len(presets)
    for line, preset in zip(rows, presets, strict=True):
        assert line.split()[0] == preset["preset"]
        assert f" {preset['network']} " in line
        assert f" {preset['M weights']:.2f} " in line
    assert len({line.index(".") for line in rows}) == 1
