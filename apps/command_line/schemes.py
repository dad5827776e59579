"""The verb `kerastl schemes`."""

from kerastl_command_line.support import Debug
from kerastl_command_line.support import Json
from kerastl_command_line.support import open_console
from kerastl_command_line.support import report_errors
from kerastl_command_line.support import show_list


def schemes(as_json: Json = False, debug: Debug = False):
    """List the export formats and quantization schemes."""
    with report_errors(debug), open_console(as_json) as console:
        from kerastl_command_line.listings import list_schemes

        show_list(console, list_schemes(), as_json)
