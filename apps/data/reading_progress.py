"""Says that photos are being read, where that takes long."""

import contextlib
import contextvars
import time

from kerastl.apps.texts import say

# What is over sooner needs no word.
_PATIENCE = 2.0
_console = contextvars.ContextVar("console", default=None)


@contextlib.contextmanager
def shows_reading(console):
    """Whatever reads many photos in the block says so.

    Args:
        console: `rich.console.Console` to show it on; `None` is silent, as
            where another line is drawn already.
    """
    token = _console.set(console)
    try:
        yield
    finally:
        _console.reset(token)


def tracked(results, count, doing, patience=_PATIENCE):
    """The results, as they come; of a long list a bar says how far it is.

    Args:
        results: Iterable of what is found of each photo.
        count: How many there are.
        doing: What happens, such as `"reading"`; `None` shows nothing.
        patience: Seconds after which it is said.

    Yields:
        The results.
    """
    console, began = _console.get(), time.monotonic()
    if console is None or doing is None:
        yield from results
        return
    from rich.progress import Progress

    with contextlib.ExitStack() as stack:
        bar = task = None
        for done, result in enumerate(results, start=1):
            late = time.monotonic() - began > patience and done < count
            if bar is None and late:
                say(console, f"{doing} {count:,} photos")
                # In a log it would leave an empty line.
                bar = Progress(
                    console=console,
                    transient=True,
                    disable=not console.is_interactive,
                )
                stack.enter_context(bar)
                task = bar.add_task("", total=count)
            if bar is not None:
                bar.update(task, completed=done)
            yield result
