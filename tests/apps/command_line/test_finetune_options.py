"""How the options of a training reach `apps.fine_tune`."""

import typing

import pytest
from typer.testing import CliRunner

from kerastl import apps
from kerastl_command_line.app import app
from kerastl_command_line.finetune import finetune

pytestmark = pytest.mark.tensorflow_only


@pytest.fixture
def call(monkeypatch, tmp_path):
    """Returns what the function gets for options."""

    def run(*options):
        seen = {}

        def fine_tune(data, **arguments):
            seen.update(arguments)
            raise ValueError("Seen.")

        monkeypatch.setattr(apps, "fine_tune", fine_tune)
        result = CliRunner().invoke(app, ["finetune", str(tmp_path), *options])
        assert "Seen." in result.output, result.output
        return seen

    return run


def test_without_options_a_run_has_the_functions_defaults(call):
    seen = call()
    assert seen["augment"] == "light"
    assert seen["label_smoothing"] == 0
    assert seen["keep"] is seen["patience"] is seen["learning_rate"] is None
    assert seen["head_learning_rate"] == 1


def test_options_are_passed_on(call):
    seen = call(
        *("--augment", "mixup+rand_augment", "--label-smoothing", "0.1"),
        *("--keep", "best", "--patience", "3", "--head-learning-rate", "10"),
    )
    assert seen["augment"] == "mixup+rand_augment"
    assert seen["label_smoothing"] == 0.1
    assert (seen["keep"], seen["patience"]) == ("best", 3)
    assert seen["head_learning_rate"] == 10


@pytest.mark.parametrize(
    "text, rates",
    [
        ("0.001", 0.001),
        ("0.0003,5e-4", [0.0003, 0.0005]),
        # For the function to refuse, with what was written.
        ("0.1,x", [0.1, "x"]),
        ("fast", "fast"),
    ],
)
def test_one_learning_rate_or_several(call, text, rates):
    assert call("--learning-rate", text)["learning_rate"] == rates


@pytest.mark.parametrize(
    "text, message",
    [
        ("", "`learning_rate` names nothing"),
        ("0.1,", "nothing behind the last ','"),
        ("0.1,,0.2", "nothing between two ','"),
    ],
)
def test_a_rate_that_is_not_there_is_told(tmp_path, text, message):
    options = ["finetune", str(tmp_path), "--learning-rate", text]
    result = CliRunner().invoke(app, options)
    assert result.exit_code == 2
    assert message in " ".join(result.output.split())


def ranged_options():
    """The options of `finetune` whose help names a range, with its ends."""
    hints = typing.get_type_hints(finetune, include_extras=True)
    for name, hint in hints.items():
        option = getattr(hint, "__metadata__", [None])[0]
        for end in ("min", "max"):
            if getattr(option, end, None) is not None:
                yield name, getattr(option, end)


@pytest.mark.parametrize("name, value", list(ranged_options()))
def test_what_the_help_allows_is_allowed(name, value, tmp_path):
    """The ends of a range belong to it, in the help and in the function."""
    with pytest.raises(ValueError, match="Received") as error:
        apps.fine_tune(
            # There are no photos: whatever is asked for, nothing begins.
            tmp_path,
            preset="resnet8",
            output=tmp_path / "run",
            **{name: value},
        )
    assert f"`{name}` must be" not in str(error.value)


def test_what_is_out_of_a_range_is_refused_by_name(tmp_path):
    assert ("epochs", 1) in ranged_options()
    for option, value in (
        ("label-smoothing", "1"),
        ("head-learning-rate", "0"),
        ("strength", "0"),
    ):
        result = CliRunner().invoke(
            app, ["finetune", str(tmp_path), f"--{option}", value]
        )
        assert result.exit_code == 2
        name = option.replace("-", "_")
        assert f"`{name}` must be" in " ".join(result.output.split())
