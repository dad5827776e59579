"""What a verb says that is stopped from outside."""

import signal

import pytest
import typer

from kerastl_command_line.support import report_errors


@pytest.mark.parametrize("resumes", [True, False])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_only_verbs_that_resume_speak_of_it(resumes, number, capsys):
    before = signal.getsignal(number)
    with pytest.raises(typer.Exit) as caught:
        with report_errors(False, resumes=resumes):
            # To this thread: one sent to the process may reach another.
            signal.raise_signal(number)
    said = capsys.readouterr().err
    assert said.startswith("kerastl: stopped.")
    assert ("--resume" in said) == resumes
    assert caught.value.exit_code == 128 + number
    assert signal.getsignal(number) is before
