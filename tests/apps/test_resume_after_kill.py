"""A run that was really killed goes on where it was."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

pytestmark = [pytest.mark.tensorflow_only, pytest.mark.slow]

EPOCHS = 40


def command(shapes, output, *more):
    return [
        sys.executable,
        "-c",
        "from kerastl_command_line.app import main; main()",
        "finetune",
        str(shapes),
        *("--preset", "resnet8", "--weights", "none", "--image-size", "16"),
        *("--epochs", str(EPOCHS), "--export", "none"),
        *("--output", str(output)),
        *more,
    ]


def interrupt(shapes, output, number):
    """Starts a run and sends it a signal after its first epochs."""
    checkpoint = output / "checkpoint.npz"
    with subprocess.Popen(
        command(shapes, output),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        # What starts in a shell's background ignores SIGINT, and so would
        # the run.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:
        deadline = time.monotonic() + 300
        while not checkpoint.exists():
            assert process.poll() is None, process.stdout.read()
            assert time.monotonic() < deadline
            time.sleep(0.02)
        os.kill(process.pid, number)
        said = process.communicate()[0].decode()
    return process.returncode, said


def run(shapes, output, *more):
    return subprocess.run(
        command(shapes, output, *more), capture_output=True, text=True
    )


def test_resumes_after_a_kill(shapes, tmp_path):
    output = tmp_path / "run"
    code, _ = interrupt(shapes, output, signal.SIGKILL)
    assert code == -signal.SIGKILL
    assert json.loads((output / "run.json").read_text())["status"] == "training"
    finished = run(shapes, output, "--resume")
    assert finished.returncode == 0, finished.stderr
    [line] = [
        line for line in finished.stdout.splitlines() if "resumed at" in line
    ]
    first = int(line.split()[3])
    assert line == f"resumed at epoch {first} of {EPOCHS}"
    assert 2 <= first <= EPOCHS
    assert f" {first}/{EPOCHS} " in finished.stdout
    assert f" {first - 1}/{EPOCHS} " not in finished.stdout
    history = json.loads((output / "history.json").read_text())
    assert history["epoch"] == list(range(1, EPOCHS + 1))
    assert not (output / "checkpoint.npz").exists()
    # The same images in the same order, as if nothing had happened.
    whole = tmp_path / "whole"
    assert run(shapes, whole).returncode == 0
    expected = json.loads((whole / "history.json").read_text())
    assert history.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_allclose(
            history[name], values, rtol=1e-4, atol=1e-4, err_msg=name
        )


def test_ctrl_c_leaves_a_run_to_resume(shapes, tmp_path):
    output = tmp_path / "run"
    code, said = interrupt(shapes, output, signal.SIGINT)
    assert code == 130, said
    assert "--resume" in said
    assert "Traceback" not in said
    assert (output / "checkpoint.npz").exists()
