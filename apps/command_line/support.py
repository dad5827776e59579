"""What the verbs of the command line share: options, errors, output."""

import contextlib
import enum
import errno
import functools
import importlib
import json
import logging
import os
import pathlib
import signal
import sys
import tempfile
import warnings
from typing import Annotated

import typer

EXIT_CHECK_FAILED = 1
_EXIT_BAD_INPUT = 2
_EXIT_INTERRUPTED = 130
_KERAS_FILES = (".keras", ".h5")
_STOPPED = "stopped."
_GO_ON = "The same command with --resume goes on."
# What ends a process from outside, where there is a way to tidy up before.
_ENDING = tuple(
    getattr(signal, name)
    for name in ("SIGTERM", "SIGHUP")
    if hasattr(signal, name)
)


class Switch(enum.StrEnum):
    """A choice that may be left to the program."""

    AUTO = "auto"
    ON = "on"
    OFF = "off"

    @property
    def choice(self):
        """`True`, `False`, or `None` for automatic."""
        return {"auto": None, "on": True, "off": False}[self.value]


Debug = Annotated[
    bool,
    typer.Option(
        "--debug",
        envvar="KERASTL_DEBUG",
        help="Show the traceback of an error.",
    ),
]
Json = Annotated[
    bool, typer.Option("--json", help="Print JSON instead of tables.")
]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Replace what is there.")
]
Threads = Annotated[
    int,
    typer.Option(
        metavar="N", min=1, help="Threads of the runtimes that are timed."
    ),
]
Alpha = Annotated[
    float | None,
    typer.Option(metavar="WIDTH", help="Width of MobileNets, such as 0.35."),
]
Shots = Annotated[
    int | None,
    typer.Option(
        metavar="N", min=1, help="Training images a class. Default: all."
    ),
]
Epochs = Annotated[
    int, typer.Option(metavar="N", min=1, help="Passes over the images.")
]
BatchSize = Annotated[
    int, typer.Option(metavar="N", min=1, help="Images a step.")
]
Augment = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="Of training photos: none; light, crops and mirror images; "
        "strong, also RandAugment, RandomErasing and MixUp, for long "
        "trainings; or some of rand_augment, random_erasing, mixup, cutmix, "
        "joined by +.",
    ),
]
Seed = Annotated[
    int, typer.Option(metavar="N", min=0, help="Of all that is drawn.")
]
Gate = Annotated[
    float | None,
    typer.Option(
        metavar="SHARE",
        help="Refuse a file that loses more than this share of accuracy "
        "(0.01 = one point): exit code 1, no file left.",
    ),
]


Target = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="Refuse a TFLite file that this device cannot run: xnnpack, "
        "tflite-micro or full-int8, see kerastl check.",
    ),
]


@contextlib.contextmanager
def report_errors(debug, resumes=False):
    """Turns exceptions and signals into one short message and an exit code.

    Args:
        debug: Whether exceptions are raised instead.
        resumes: Whether the verb has --resume.
    """
    stopped = f"{_STOPPED} {_GO_ON}" if resumes else _STOPPED
    try:
        with _tidy_ending():
            yield
    except typer.Exit:
        raise
    except KeyboardInterrupt:
        _complain(stopped)
        raise typer.Exit(_EXIT_INTERRUPTED) from None
    except _Ended as ended:
        _complain(stopped)
        raise typer.Exit(128 + ended.number) from None
    except Exception as error:
        if debug:
            raise
        from kerastl.export.conversion.report import AccuracyDropError

        bad_input = isinstance(
            error, ValueError | TypeError | LookupError | OSError | ImportError
        )
        if isinstance(error, AccuracyDropError) or not bad_input:
            code = EXIT_CHECK_FAILED
        else:
            code = _EXIT_BAD_INPUT
        _complain(_message(error))
        raise typer.Exit(code) from None


class _Ended(BaseException):
    """The process was told to end; on its way out, files are tidied up."""

    def __init__(self, number):
        super().__init__(number)
        self.number = number


@contextlib.contextmanager
def _tidy_ending():
    """Lets what is half written be removed before a signal ends the process.

    A signal that was ignored before (nohup) still is.
    """

    def end(number, frame):
        raise _Ended(number)

    before = {}
    try:
        for number in _ENDING:
            if signal.getsignal(number) is signal.SIG_DFL:
                before[number] = signal.signal(number, end)
    except ValueError:
        pass  # Not in the main thread: signals are another's.
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _message(error):
    text = str(error) or type(error).__name__
    if getattr(error, "errno", None) == errno.ENOSPC and "Received" not in text:
        return (
            f"{text}. There is no room, in the output folder or in "
            f"{tempfile.gettempdir()}, where files are made. Free some space, "
            "and run the same command again (a run goes on with --resume)."
        )
    return text


def _complain(message, style="red"):
    from rich.console import Console

    console = Console(stderr=True)
    if console.is_terminal:
        # A run's line may stand there, which is drawn anew below.
        console.file.write("\r\x1b[2K")
    console.width = min(console.width, 80)
    console.print(
        # What no terminal can show, such as bytes of a name that are no text.
        f"kerastl: {message}".encode("utf-8", "backslashreplace").decode(),
        style=style,
        markup=False,
        highlight=False,
        emoji=False,
    )


@contextlib.contextmanager
def open_console(as_json=False, only_runs=None):
    """Loads what the verb needs, and yields where to print.

    Args:
        as_json: Whether stdout is for a program.
        only_runs: The file that the verb runs, if it does nothing else. What
            is no file of Keras takes neither Keras nor its backend, and the
            verb imports the modules that it uses by their own names.
    """
    from rich.console import Console

    if only_runs is None or only_runs.suffix in _KERAS_FILES:
        _load_quietly()
    else:
        importlib.import_module("kerastl_command_line.without_keras")
    # Figures for a program go to stdout alone.
    console = Console(stderr=as_json)
    console.width = min(console.width, 80)
    from kerastl.apps.data.reading_progress import shows_reading

    with shows_reading(console), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.filterwarnings("default", category=UserWarning)
        # The error that follows says it, or the line on the rate left out.
        warnings.filterwarnings("ignore", message="Training stopped ")
        warnings.showwarning = functools.partial(_print_warning, said=set())
        yield console


def _load_quietly():
    """Loads the backend without its log.

    It logs from C++, before any setting reaches it, so the file descriptor
    itself leads nowhere meanwhile.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    saved = os.dup(2)
    try:
        with open(os.devnull, "w") as nothing:
            os.dup2(nothing.fileno(), 2)
        importlib.import_module("kerastl.apps")
        # It counts the graphs of one process, which makes one for each of
        # several networks.
        logging.getLogger("tensorflow").setLevel(logging.ERROR)
    finally:
        os.dup2(saved, 2)
        os.close(saved)


def _print_warning(message, category, filename, *_, said):
    # Several files of one run have the same to say.
    if str(message) in said:
        return
    said.add(str(message))
    # Of other packages' warnings, a user of the command has no use.
    own = (
        "kerastl",
        "kerastl.apps",
        "kerastl.export",
        "kerastl_command_line",
    )
    if any(
        pathlib.Path(filename).is_relative_to(
            pathlib.Path(sys.modules[name].__file__).parent
        )
        for name in own
        if name in sys.modules
    ):
        _complain(f"warning: {message}", style="yellow")


def show(result, console, as_json):
    if as_json:
        typer.echo(json.dumps(result.to_dict(), indent=2))
    elif hasattr(result, "print"):
        result.print(console)
    else:
        from kerastl.apps.texts import say

        say(console, result)


def show_list(console, rows, as_json, note=None):
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
        return
    from kerastl.apps.report.tables import make_table

    numeric = {
        name for name, value in rows[0].items() if not isinstance(value, str)
    }
    columns = [f">{name}" if name in numeric else name for name in rows[0]]
    console.print(make_table(columns, [row.values() for row in rows]))
    if note is not None:
        console.print(note, highlight=False, markup=False)
