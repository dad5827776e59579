import io

import rich.console

from kerastl.apps.runs.fit_progress import FitProgress
from kerastl.apps.runs.fit_progress import describe_epoch

LOGS = {
    "accuracy": 0.5,
    "global_level": 0.0123,
    "loss": 10.5,
    "pixel_level": 1.23456,
    "val_accuracy": 0.25,
    "val_loss": 3.0,
}


def test_a_line_has_the_loss_its_terms_and_the_accuracies():
    line = describe_epoch(3, 20, LOGS)
    assert line == (
        "  3/20  loss 10.5  global_level 0.0123  pixel_level 1.23"
        "  acc 50.0 %  val 25.0 %"
    )
    assert len(line) <= 80


def test_learning_rates_are_no_terms():
    rates = {"learning_rate": 0.1, "learning_rate_network_gates": 1.0}
    assert describe_epoch(3, 20, LOGS | rates) == describe_epoch(3, 20, LOGS)


def test_what_does_not_fit_a_line_stands_below():
    logs = {**LOGS, "delta": 0.000123, "logits_distillation": 2.5}
    assert describe_epoch(3, 20, logs).splitlines() == [
        "  3/20  loss 10.5  global_level 0.0123  pixel_level 1.23"
        "  delta 0.000123",
        "        logits_distillation 2.5  acc 50.0 %  val 25.0 %",
    ]


def test_prints_a_line_an_epoch_where_nothing_can_be_redrawn():
    out = io.StringIO()
    progress = FitProgress(rich.console.Console(file=out, width=80))
    progress.set_params({"epochs": 2, "steps": 3})
    progress.on_train_begin()
    for epoch in range(2):
        progress.on_epoch_begin(epoch)
        progress.on_train_batch_end(0, {"loss": 1.0})
        progress.on_epoch_end(epoch, {"loss": 1.0})
    progress.on_train_end()
    assert out.getvalue() == " 1/2  loss 1\n 2/2  loss 1\n"


def test_a_labelled_training_is_silent_without_a_terminal():
    out = io.StringIO()
    progress = FitProgress(rich.console.Console(file=out), "source")
    progress.set_params({"epochs": 1, "steps": 1})
    progress.on_train_begin()
    progress.on_epoch_end(0, {"loss": 1.0})
    progress.on_train_end()
    assert out.getvalue() == ""


def test_draws_and_clears_a_bar_on_a_terminal():
    out = io.StringIO()
    console = rich.console.Console(
        file=out, width=80, force_terminal=True, force_interactive=True
    )
    progress = FitProgress(console)
    progress.set_params({"epochs": 1, "steps": 2})
    progress.on_train_begin()
    progress.on_epoch_begin(0)
    progress.on_train_batch_end(0, {"loss": 1.5})
    progress.on_epoch_end(0, {"loss": 1.25})
    progress.on_train_end()
    progress.on_train_end()
    assert "loss 1.25" in out.getvalue()
    assert "epoch 1 of 1" in out.getvalue()
