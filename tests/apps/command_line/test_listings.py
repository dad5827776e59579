"""The listings at 80 columns: what is read as one name stands in one piece."""

import itertools
import json

import pytest
from typer.testing import CliRunner

from kerastl import apps
from kerastl.apps.choice.evidence import told_of
from kerastl.apps.choice.evidence import verdict
from kerastl.apps.recipes.adapt_recipe import check_options
from kerastl.apps.recipes.training_options import TrainingOptions
from kerastl_command_line import listings
from kerastl_command_line.app import app

pytestmark = pytest.mark.tensorflow_only


def lines(*arguments):
    result = CliRunner().invoke(app, list(arguments), env={"COLUMNS": "80"})
    assert result.exit_code == 0
    assert all(len(line) <= 80 for line in result.output.splitlines())
    return [line for line in result.output.splitlines() if line.strip()]


@pytest.mark.parametrize("verb", ["presets", "schemes"])
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


def test_a_method_takes_one_line_under_what_it_is_for():
    expected = []
    rows = listings.list_methods()
    for purpose, group in itertools.groupby(rows, lambda row: row["purpose"]):
        expected.append([purpose])
        expected += [[each["method"], each["what it does"]] for each in group]
    found = [
        line.split(maxsplit=1) if line.startswith(" ") else [line]
        for line in lines("methods")
    ]
    # Behind the table stands what was measured, and how to go on.
    assert found[: len(expected)] == expected
    assert found[len(expected)][0].startswith("Measured better than")
    assert "kerastl methods NAME" in found[-1][0]
    assert [row["method"] for row in rows] == list(apps.RECIPES)
    [worse] = [
        line
        for line in lines("methods")
        if line.startswith("Measured worse than fine_tune")
    ]
    assert "linear_probe" in worse
    assert "imprinting" not in worse
    # Each heading once: what is for the same stands together.
    headings = [line[0] for line in expected if len(line) == 1]
    assert len(headings) == len(set(headings)) == 11


@pytest.mark.parametrize("name", apps.RECIPES)
def test_a_method_alone_tells_the_rest(name):
    recipe = apps.RECIPES[name]
    text = " ".join(" ".join(lines("methods", name)).split())
    assert text.startswith(f"{recipe.title} method {name} ")
    assert f" {recipe.summary} " in text
    assert f" {recipe.paper} " in text
    assert f" formula {recipe.exact}: " in text
    cost = rate = "nothing is trained"
    if recipe.trains:
        cost = f"{recipe.cost:.2f} times plain"
        rate = "the preset's at the start"
        if recipe.learning_rate is not None:
            rate = f"{recipe.learning_rate:g} at the start"
        elif recipe.rate_factor != 1:
            rate = f"{recipe.rate_factor:g} times the preset's at the start"
        if recipe.rates_by_layer:
            rate += ", times a factor of the layer"
    told = told_of(name)
    word = verdict(name) if name != "fine_tune" else "it is what others"
    assert f" helps {word}" in text
    assert (" measured points to fine_tune" in text) == bool(told)
    for row in told:
        figures = f"{row['gain']:+.1f} ± {1.96 * row['error']:.1f}"
        of = f"{row['data']}, {row['network']}: "
        cells = text.partition(of)[2].partition(";")[0]
        assert f"{figures} ({row['shots']})" in cells
    assert f" step {cost}" in text
    assert f" learning rate {rate}" in text
    assert ("weights with their classifier" in text) == recipe.needs_source_head
    assert ("--unlabelled" in text) == recipe.needs_unlabelled
    assert ("--strength" in text) == recipe.weighted
    assert ("memory for a second network" in text) == recipe.uses_source
    assert ("NLTK" in text) == (name == "semantic_similarity")


@pytest.mark.parametrize("name", [*apps.RECIPES, "ktft+rifle"])
def test_a_method_tells_what_finetune_would_refuse_it(name):
    recipe = apps.get_recipe(name)
    row = listings.describe_method(name)["not with"]
    for option, asked, mixes in (
        ("--keep best", {"keep": "best"}, False),
        ("--keep average", {"keep": "average"}, False),
        ("--patience", {"keep": "last", "patience": 3}, False),
        ("--augment", {}, True),
        ("--label-smoothing", {"label_smoothing": 0.1}, False),
        ("--head-learning-rate", {"head_learning_rate": 3}, False),
    ):
        try:
            check_options(TrainingOptions(**asked), recipe, mixes)
        except ValueError as error:
            assert option in row
            reason = str(error).split(": ", 1)[1].partition(". Leave")[0]
            assert f"({reason})" in row
        else:
            assert option not in row
    refused = recipe.trains and not recipe.averages
    assert ("--soup" in row) == refused


def test_joined_methods_are_told_as_one():
    [text] = [" ".join(" ".join(lines("methods", "ktft+rifle")).split())]
    assert "Suzuki et al., ICIP 2021; IEEE Access 2022; Li et al., ICML" in text
    assert "step not measured together" in text
    result = CliRunner().invoke(app, ["methods", "ktft+rifle", "--json"])
    assert json.loads(result.stdout)["title"] == "KTFT + RIFLE"


def test_an_unknown_method_names_the_nearest():
    result = CliRunner().invoke(app, ["methods", "kfft"])
    assert result.exit_code == 2
    assert "Did you mean 'ktft'?" in " ".join(result.output.split())
