"""The verb `kerastl methods`."""

from kerastl_command_line.support import Debug
from kerastl_command_line.support import Json
from kerastl_command_line.support import open_console
from kerastl_command_line.support import report_errors
from kerastl_command_line.support import show_list

_NOTE = """\
step: time of a training step on a CPU, as a multiple of plain fine-tuning's.
formula: assumed where a part of it could not be read in the paper or in its
authors' code. METHOD+METHOD joins several."""


def methods(as_json: Json = False, debug: Debug = False):
    """List the transfer methods."""
    with report_errors(debug), open_console(as_json) as console:
        from kerastl_command_line.listings import list_methods

        show_list(console, list_methods(), as_json, _NOTE)
