"""A run that was really killed goes on where it was."""

import json
import os
import signal
import subprocess
import sys
import time

import keras
import pytest

pytestmark = [pytest.mark.tensorflow_only, pytest.mark.slow]

EPOCHS = 12
AWARE_EPOCHS = 8

# Threads add up in the order in which they finish, and training makes a whole
# photo of a last bit: one thread says exactly whether two runs are the same.
ONE_THREAD = {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1"}

START = "from kerastl_command_line.app import main; main()"


def arguments(shapes, output, *more):
    return [
        "finetune",
        str(shapes),
        *("--preset", "resnet8", "--weights", "none", "--image-size", "16"),
        *("--epochs", str(EPOCHS), "--export", "none"),
        *("--output", str(output)),
        # The last of an option counts.
        *more,
    ]


def interrupt(shapes, output, number, *more, checkpoint="checkpoint.npz"):
    """Starts a run and sends it a signal after its first epochs."""
    checkpoint = output / checkpoint
    with subprocess.Popen(
        [sys.executable, "-c", START, *arguments(shapes, output, *more)],
        env={**os.environ, **ONE_THREAD},
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
    finished = subprocess.run(
        [sys.executable, "-c", START, *arguments(shapes, output, *more)],
        env={**os.environ, **ONE_THREAD},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert finished.returncode == 0, finished.stdout
    return finished.stdout


def test_resumes_after_a_kill(shapes, tmp_path):
    output = tmp_path / "run"
    code, _ = interrupt(shapes, output, signal.SIGKILL)
    assert code == -signal.SIGKILL
    assert json.loads((output / "run.json").read_text())["status"] == "training"
    said = run(shapes, output, "--resume")
    [line] = [line for line in said.splitlines() if "resumed at" in line]
    first = int(line.split()[3])
    assert line == f"resumed at epoch {first} of {EPOCHS}"
    assert 2 <= first <= EPOCHS
    assert f" {first}/{EPOCHS} " in said
    assert f" {first - 1}/{EPOCHS} " not in said
    history = json.loads((output / "history.json").read_text())
    assert history["epoch"] == list(range(1, EPOCHS + 1))
    assert not (output / "checkpoint.npz").exists()
    # The same images in the same order, as if nothing had happened.
    whole = tmp_path / "whole"
    run(shapes, whole)
    assert history == json.loads((whole / "history.json").read_text())


def test_resumes_with_what_it_found_and_drew(shapes, tmp_path):
    """The best epoch so far, and images that are changed in many ways."""
    more = (
        *("--augment", "random_erasing+cutmix", "--label-smoothing", "0.1"),
        *("--keep", "best", "--patience", "9", "--head-learning-rate", "3"),
    )
    output, whole = tmp_path / "run", tmp_path / "whole"
    code, _ = interrupt(shapes, output, signal.SIGKILL, *more)
    assert code == -signal.SIGKILL
    assert "resumed at" in run(shapes, output, *more, "--resume")
    run(shapes, whole, *more)
    histories, reports, weights = [], [], []
    for folder in (output, whole):
        histories.append((folder / "history.json").read_bytes())
        report = json.loads((folder / "report.json").read_text())
        reports.append(report["kept"])
        model = keras.saving.load_model(folder / "model.keras")
        weights.append([value.tobytes() for value in model.get_weights()])
    assert histories[0] == histories[1]
    assert reports[0] == reports[1]
    assert weights[0] == weights[1]


def test_resumes_after_a_kill_in_the_quantization_aware_part(shapes, tmp_path):
    output = tmp_path / "run"
    more = ("--epochs", "1", "--export", "tflite:int8")
    more += ("--qat", str(AWARE_EPOCHS))
    code, _ = interrupt(
        shapes,
        output,
        signal.SIGKILL,
        *more,
        checkpoint="checkpoint_aware.npz",
    )
    assert code == -signal.SIGKILL
    assert json.loads((output / "run.json").read_text())["status"] == "trained"
    assert not (output / "model_aware.keras").exists()
    model = (output / "model.keras").read_bytes()
    said = run(shapes, output, *more, "--resume")
    assert "already trained" in said
    assert f" of {AWARE_EPOCHS}" in said
    assert f" 1/{AWARE_EPOCHS} " not in said
    assert (output / "model.keras").read_bytes() == model
    assert not (output / "checkpoint_aware.npz").exists()
    history = json.loads((output / "history_aware.json").read_text())
    assert history["epoch"] == list(range(1, AWARE_EPOCHS + 1))
    # The same as if nothing had happened.
    whole = tmp_path / "whole"
    run(shapes, whole, *more)
    assert history == json.loads((whole / "history_aware.json").read_text())


def test_ctrl_c_leaves_a_run_to_resume(shapes, tmp_path):
    output = tmp_path / "run"
    code, said = interrupt(shapes, output, signal.SIGINT)
    assert code == 130, said
    assert "--resume" in said
    assert "Traceback" not in said
    assert (output / "checkpoint.npz").exists()
