"""How the options of a training reach `apps.fine_tune`."""

import pytest
from typer.testing import CliRunner

from kerastl import apps
from kerastl_command_line.app import app

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
        ("", ""),
    ],
)
def test_one_learning_rate_or_several(call, text, rates):
    assert call("--learning-rate", text)["learning_rate"] == rates
