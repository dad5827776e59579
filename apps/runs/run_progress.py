"""One line that says what a run does, and how long it takes."""

import dataclasses
import time

from kerastl.apps.data.reading_progress import shows_reading
from kerastl.apps.texts import say
from kerastl.export.conversion.converters import get_scheme

_BAR_WIDTH = 12


@dataclasses.dataclass
class Stage:
    """A part of a run, and what it is expected to take.

    Attributes:
        name: Name that `RunProgress.begin` gets.
        passes: Images that pass through the network forward. Their pace is
            measured while the run trains.
        seconds: What it takes beside that.
        kind: Stages of one kind are all slower or faster than expected by
            the same factor, once one of them is over. `None`: no such factor.
    """

    name: str
    passes: float = 0.0
    seconds: float = 0.0
    kind: str | None = None


class RunProgress:
    """Shows one line through all of a run, and prints what happened above it.

    Where nothing can be drawn over, as in a pipe or a log, the time left
    stands behind the lines that are printed anyhow.

    Args:
        console: `rich.console.Console` to write to; `None` is silent.
        stages: The `Stage`s in their order. Without them no time is told.
        began: `time.monotonic()` of the beginning. Defaults to now.
        clock: Function that returns seconds.

    Example:

    ```python
    console = rich.console.Console()
    stages = [Stage("training", passes=12000), Stage("file", seconds=10)]
    with RunProgress(console, stages) as progress:
        progress.begin("training")
        progress.advance(0.25, "epoch 2 of 4")
        progress.begin("file", "exporting model_int8.tflite")
    ```
    """

    def __init__(self, console=None, stages=(), began=None, clock=None):
        self.console = console
        self._clock = clock or time.monotonic
        self._began = self._clock() if began is None else began
        self._stages = list(stages)
        self._at = None
        self._enter(self._began)
        self._pace = None
        self._factors = {}
        self._line = self._task = None
        self._other = None

    @property
    def drawn(self):
        """Whether a line is drawn that changes."""
        return self._line is not None

    def __enter__(self):
        # Two lines cannot be drawn at once.
        self._other = shows_reading(None)
        self._other.__enter__()
        if self.console is not None and self.console.is_interactive:
            self._draw()
        return self

    def __exit__(self, *_):
        self._other.__exit__(None, None, None)
        if self._line is not None:
            self._line.stop()
            self._line = None

    def say(self, text):
        """Says what happens now, in a line that stays.

        Args:
            text: The line, or `None` to say nothing.
        """
        if text is None:
            return
        self.describe(text)
        left = self.left()
        if left and not self.drawn:
            text = f"{text} ({left})"
        say(self.console, text)

    def describe(self, text):
        """Changes what the drawn line says, and prints nothing."""
        if self.drawn and text is not None:
            self._line.update(self._task, description=text)

    def begin(self, name, text=None):
        """Says that a stage begins, and that those before it are over.

        Args:
            name: Name of the stage; one that is not planned is not timed.
            text: What happens, as `say` says it.
        """
        now = self._clock()
        names = [stage.name for stage in self._stages]
        if name in names:
            self._learn(now)
            self._at = names.index(name)
            self._enter(now)
        self.say(text)

    def advance(self, share, text=None, learn=True):
        """Says how much of the stage is done; a training, after each epoch.

        Args:
            share: 0 to 1. The first call says where the stage set out from.
            text: What happens, as `describe` says it.
            learn: Whether the pace tells how long other stages take.
        """
        if self._at is not None:
            passes = share * self._stages[self._at].passes
            self._marks.append((self._clock(), passes))
            # With the first epoch the network is compiled.
            start = self._marks[min(1, len(self._marks) - 2)]
            seconds, done = (
                end - begin
                for end, begin in zip(self._marks[-1], start, strict=True)
            )
            if learn and done > 0:
                self._pace = seconds / done
        self.describe(text)

    def seconds_left(self):
        """About how many seconds the run still takes; `None` if unknown."""
        if self._at is None:
            return None
        ahead = self._stages[self._at :]
        if self._pace is None and any(
            stage.passes and stage.kind not in self._factors for stage in ahead
        ):
            return None
        current, *later = ahead
        since, done = self._marks[-1] if self._marks else (self._entered, 0.0)
        left = self._expected(current, done) - (self._clock() - since)
        return max(left, 0.0) + sum(map(self._expected, later))

    def left(self):
        """The time that is left in words; `None` if it is unknown."""
        seconds = self.seconds_left()
        return None if seconds is None else f"about {_rounded(seconds)} left"

    def elapsed(self):
        """The time since the beginning, as a clock shows it."""
        return _clock_text(self._clock() - self._began)

    def _enter(self, now):
        self._entered = now
        # When so many passes were done.
        self._marks = []

    def _expected(self, stage, done=0.0):
        seconds = (stage.passes - done) * (self._pace or 0.0)
        if not done:
            seconds += stage.seconds
        return seconds * self._factors.get(stage.kind, 1.0)

    def _learn(self, now):
        """Learns from a stage that is over what others take."""
        if self._at is None or self._marks:
            return
        stage = self._stages[self._at]
        took = now - self._entered
        if stage.kind is None and stage.passes:
            self._pace = max(took - stage.seconds, 0.0) / stage.passes
        elif stage.kind is not None:
            self._factors.pop(stage.kind, None)
            expected = self._expected(stage)
            if expected:
                self._factors[stage.kind] = took / expected

    def _draw(self):
        from rich import progress
        from rich.table import Column
        from rich.text import Text

        class Clock(progress.ProgressColumn):
            # Asked four times a second, also while a stage says nothing.
            def render(column, task):
                return Text(self._clock_line())

        self._line = progress.Progress(
            progress.TextColumn(
                "{task.description}",
                markup=False,
                table_column=Column(no_wrap=True, overflow="ellipsis"),
            ),
            progress.BarColumn(bar_width=_BAR_WIDTH),
            Clock(table_column=Column(no_wrap=True)),
            console=self.console,
            transient=True,
            refresh_per_second=4,
            expand=False,
        )
        self._task = self._line.add_task("", total=None)
        self._line.start()

    def _clock_line(self):
        left = self.left()
        self._fill_bar()
        return self.elapsed() + (f", {left}" if left else "")

    def _fill_bar(self):
        seconds = self.seconds_left()
        if seconds is not None:
            gone = self._clock() - self._began
            task = self._line.tasks[0]
            task.total, task.completed = max(gone + seconds, 1e-9), gone


def _rounded(seconds):
    """A duration in words, no more exact than it is known.

    >>> [_rounded(each) for each in (0.4, 38, 95, 4000)]
    ['1 s', '40 s', '2 min', '1 h 7 min']
    """
    if seconds < 60:
        step = 1 if seconds < 10 else 5
        whole = max(step * round(seconds / step), 1)
        if whole < 60:
            return f"{whole} s"
    minutes = max(round(seconds / 60), 1)
    if minutes < 60:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min"


def _clock_text(seconds):
    minutes, seconds = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}:{minutes:02d}:{seconds:02d}"
    return f"{minutes}:{seconds:02d}"


# Forward passes that a training step is worth an image: forward, and twice
# as much backward.
_STEP = 3
# Of 200 calibration images, those of which the file takes statistics layer
# by layer, several times over.
_REFINING = 2000
_SHIFT_LIMIT, _SHIFT_CROPS = 500, 6
# Converting, tracing, timing: of small networks on two cores.
_SECONDS = {"plain": 5.0, "refined": 9.0}


def plan_stages(data, part, arguments, recipe, pairs, teachers=()):
    """The stages of a run, in their order.

    Args:
        data: The `apps.ImageData`.
        part: Part of the data that is measured on.
        arguments: Dict of the arguments of `apps.fine_tune`.
        recipe: The `apps.Recipe`.
        pairs: Pairs of format and scheme that are exported.
        teachers: List of `TeacherSpec`.

    Returns:
        List of `Stage`.
    """
    train, measured = len(data.parts["train"]), len(data.parts[part])
    epochs = arguments["epochs"]
    step = _STEP + bool(recipe.uses_source)
    stages = [
        Stage(f"teacher-{number}", epochs * train * _STEP)
        for number, spec in enumerate(teachers, start=1)
        if spec.preset is not None
    ]
    if recipe.trains:
        each = step * train + _validated(data)
        stages += [
            Stage(f"training-{number + 1}", epochs * each)
            for number in range(arguments["soup"])
        ]
    shifted = _SHIFT_CROPS * min(measured, _SHIFT_LIMIT)
    # Before and after.
    stages.append(Stage("measuring", 2 * (measured + shifted), 2.0))
    if arguments["qat"] is not None:
        # The source and the rounding in each step.
        each = (_STEP + 2) * train + _validated(data)
        stages.append(Stage("qat", arguments["qat"] * each, 5.0))
    for format, name in pairs:
        scheme = get_scheme(name, format)
        refines = scheme.needs_calibration and arguments["qat"] is None
        stages.append(
            Stage(
                f"model_{name}.{format}",
                2 * measured + (_REFINING if refines else 0),
                _SECONDS["refined" if refines else "plain"],
                kind="export",
            )
        )
    return [*stages, Stage("report", 0.0, 2.0)]


def _validated(data):
    return len(data.parts["validation"]) if "validation" in data.parts else 0
