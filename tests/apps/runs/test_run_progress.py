import io

import pytest
import rich.console

from kerastl.apps.runs.fit_progress import FitProgress
from kerastl.apps.runs.run_progress import RunProgress
from kerastl.apps.runs.run_progress import Stage
from kerastl.apps.runs.run_progress import _clock_text
from kerastl.apps.runs.run_progress import _rounded

STAGES = [
    Stage("training-1", passes=400),
    Stage("measuring", passes=100, seconds=2.0),
    Stage("model_int8.tflite", passes=50, seconds=9.0, kind="export"),
    Stage("model_int8.onnx", passes=50, seconds=9.0, kind="export"),
    Stage("report", seconds=2.0),
]


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now

    def wait(self, seconds):
        self.now += seconds


@pytest.fixture
def clock():
    return Clock()


def test_the_time_left_is_learned_stage_by_stage(clock):
    progress = RunProgress(stages=STAGES, clock=clock)
    assert progress.seconds_left() is None and progress.left() is None
    progress.begin("training-1")
    clock.wait(5)
    progress.advance(0.0)
    assert progress.seconds_left() is None
    # The first epoch of four compiles: 12 seconds for 100 passes.
    clock.wait(12)
    progress.advance(0.25)
    assert progress.seconds_left() == pytest.approx(0.12 * 500 + 2 + 20)
    # The second tells the pace: 4 seconds for 100.
    clock.wait(4)
    progress.advance(0.5)
    assert progress.seconds_left() == pytest.approx(8 + 6 + 11 + 11 + 2)
    clock.wait(3)
    assert progress.seconds_left() == pytest.approx(5 + 6 + 11 + 11 + 2)
    # What takes longer than expected leaves the rest.
    clock.wait(100)
    assert progress.seconds_left() == pytest.approx(6 + 11 + 11 + 2)
    progress.begin("measuring")
    assert progress.seconds_left() > 6 + 11 + 11 + 2 - 1e-6
    # 12 seconds, of which 2 are no passes: 0.1 seconds each.
    clock.wait(12)
    progress.begin("model_int8.tflite")
    assert progress.seconds_left() == pytest.approx(14 + 14 + 2)
    # Twice as slow as expected: so is the other file, the report not.
    clock.wait(28)
    progress.begin("model_int8.onnx")
    assert progress.seconds_left() == pytest.approx(28 + 2)
    clock.wait(28)
    progress.begin("report")
    assert progress.seconds_left() == pytest.approx(2)


def test_epochs_on_stored_features_tell_nothing_of_the_rest(clock):
    progress = RunProgress(stages=STAGES, clock=clock)
    progress.begin("training-1")
    for share in (0.0, 0.25, 0.5):
        progress.advance(share, learn=False)
        clock.wait(1)
    assert progress.seconds_left() is None
    progress.begin("measuring")
    assert progress.seconds_left() is None
    clock.wait(7)
    progress.begin("model_int8.tflite")
    assert progress.seconds_left() == pytest.approx(11.5 + 11.5 + 2)


def test_a_resumed_training_is_not_faster_than_it_was(clock):
    progress = RunProgress(stages=STAGES[:1], clock=clock)
    progress.begin("training-1")
    clock.wait(1)
    progress.advance(0.75)
    clock.wait(10)
    progress.advance(0.875)
    assert progress.seconds_left() == pytest.approx(10)


def test_without_a_training_one_file_tells_of_the_others(clock):
    progress = RunProgress(stages=STAGES, clock=clock)
    progress.begin("model_int8.tflite")
    clock.wait(18)
    assert progress.seconds_left() is None
    progress.begin("model_int8.onnx")
    assert progress.seconds_left() == pytest.approx(18 + 2)


def test_in_a_log_the_time_stands_behind_lines_that_are_there(clock):
    out = io.StringIO()
    console = rich.console.Console(file=out, width=80)
    with RunProgress(console, STAGES, clock=clock) as progress:
        assert not progress.drawn
        progress.say("2 [red]classes")
        progress.begin("training-1")
        lines = FitProgress(console, progress=progress)
        lines.set_params({"epochs": 2, "steps": 50})
        lines.on_train_begin()
        for epoch in range(2):
            lines.on_epoch_begin(epoch)
            for batch in range(50):
                clock.wait(0.4 if batch or epoch else 60)
                lines.on_train_batch_end(batch, {"loss": 1.0})
            lines.on_epoch_end(epoch, {"loss": 1.0})
        progress.begin("measuring", "measuring on 9 test images")
        progress.say(None)
        progress.begin("not planned", "writing try.html")
    assert out.getvalue().splitlines() == [
        "2 [red]classes",
        " 1/2  loss 1  about 1 min left",
        " 2/2  loss 1  about 40 s left",
        "measuring on 9 test images (about 40 s left)",
        "writing try.html (about 40 s left)",
    ]


def test_on_a_terminal_one_line_says_it_all(clock):
    out = io.StringIO()
    console = rich.console.Console(
        file=out, width=80, force_terminal=True, force_interactive=True
    )
    began = clock.now - 83
    with RunProgress(console, STAGES, began, clock) as progress:
        assert progress.drawn
        progress.begin("training-1")
        lines = FitProgress(console, "teacher", progress=progress)
        lines.set_params({"epochs": 4, "steps": 1})
        lines.on_train_begin()
        for epoch in range(2):
            lines.on_epoch_begin(epoch)
            clock.wait(10)
            lines.on_train_batch_end(0, {"loss": 1.25})
            lines.on_epoch_end(epoch, {"loss": 1.25})
        lines.on_epoch_begin(2)
        lines.on_train_batch_end(0, {"loss": 1.25})
        progress._line.refresh()
        drawn = out.getvalue().split("\r")[-1]
        assert "teacher, epoch 3 of 4, loss 1.250" in drawn
        assert "1:43, about 1 min left" in drawn
        progress.begin("measuring", "measuring on 9 test images")
    lines.on_train_end()
    # Stays, as a line of its own, without the time that was left then.
    assert "\x1b[2Kmeasuring on 9 test images\n" in out.getvalue()
    assert out.getvalue().endswith("\x1b[2K")
    assert not progress.drawn


def test_the_line_is_gone_after_an_error():
    console = rich.console.Console(
        file=io.StringIO(), force_terminal=True, force_interactive=True
    )
    with pytest.raises(KeyError):
        with RunProgress(console) as progress:
            raise KeyError
    assert not progress.drawn


@pytest.mark.parametrize(
    "seconds, text, clock",
    [
        (0, "1 s", "0:00"),
        (9.6, "10 s", "0:09"),
        (38, "40 s", "0:38"),
        (58, "1 min", "0:58"),
        (95, "2 min", "1:35"),
        (3599, "1 h 0 min", "59:59"),
        (4000, "1 h 7 min", "1:06:40"),
    ],
)
def test_durations_in_words(seconds, text, clock):
    assert _rounded(seconds) == text
    assert _clock_text(seconds) == clock
