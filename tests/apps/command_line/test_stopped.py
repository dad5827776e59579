"""What a verb says that is stopped from outside."""

import signal

import pytest
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
