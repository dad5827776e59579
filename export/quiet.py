"""Keeps the chatter of converters off the console."""

import contextlib
import io
import logging
import os
import sys
import tempfile
import warnings

# Enough for the last diagnostics of a converter, not for its whole dump.
_NOTE_CHARACTERS = 4000


@contextlib.contextmanager
def quiet_console():
    """Holds back what is printed, logged or warned in the block.

    Converters write to stderr from C++ as well as from Python, so the file
    descriptor itself is redirected. If the block raises, what was held back
    there is added to the exception as a note: nothing is lost when it is
    needed.

    Example:

    ```python
    with quiet_console():
        converter.convert()
    ```
    """
    disabled = logging.root.manager.disable
    logging.disable(max(disabled, logging.WARNING))
    try:
        with (
            _held_stderr(),
            contextlib.redirect_stdout(io.StringIO()),
            warnings.catch_warnings(),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)


@contextlib.contextmanager
def _held_stderr():
    try:
        saved = os.dup(2)
    except OSError:  # a process started without a stderr has no chatter
        yield
        return
    with tempfile.TemporaryFile() as held:
        sys.stderr.flush()
        os.dup2(held.fileno(), 2)
        try:
            yield
        except Exception as error:
            held.seek(0)
            text = held.read().decode(errors="replace").strip()
            if text:
                error.add_note(text[-_NOTE_CHARACTERS:])
            raise
        finally:
            sys.stderr.flush()
            os.dup2(saved, 2)
            os.close(saved)
