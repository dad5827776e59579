"""What a verb says that is stopped from outside."""

import signal

import pytest
import rich.console
import rich.progress
import typer

from kerastl_command_line.support import report_errors

# As Python finds them in a shell's foreground; in its background SIGINT is
# ignored, and nothing would end.
USUAL = {
    signal.SIGTERM: signal.SIG_DFL,
    signal.SIGINT: signal.default_int_handler,
}


@pytest.fixture(params=USUAL, ids=lambda number: number.name)
def number(request):
    """A signal that is not ignored, whatever began the tests."""
    before = signal.signal(request.param, USUAL[request.param])
    yield request.param
    signal.signal(request.param, before)


@pytest.mark.parametrize("resumes", [True, False])
def test_only_verbs_that_resume_speak_of_it(resumes, number, capsys):
    with pytest.raises(typer.Exit) as caught:
        with report_errors(False, resumes=resumes):
            # To this thread: one sent to the process may reach another.
            signal.raise_signal(number)
    said = capsys.readouterr().err
    assert said.startswith("kerastl: stopped.")
    assert ("--resume" in said) == resumes
    assert caught.value.exit_code == 128 + number
    assert signal.getsignal(number) is USUAL[number]


@pytest.mark.parametrize("terminal", [True, False])
def test_a_message_takes_the_place_of_a_line_that_is_drawn(
    terminal, capsys, monkeypatch
):
    # What tells rich that it writes to a terminal.
    if terminal:
        monkeypatch.setenv("FORCE_COLOR", "1")
    else:
        monkeypatch.delenv("FORCE_COLOR", raising=False)
    drawing = rich.console.Console(force_terminal=terminal, width=80)
    with rich.progress.Progress(console=drawing, transient=True):
        with pytest.raises(typer.Exit), report_errors(False):
            raise ValueError("Said.")
    said = capsys.readouterr().err
    assert said.startswith("\r\x1b[2K") == terminal
    assert "kerastl: Said." in said
