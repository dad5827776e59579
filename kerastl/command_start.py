"""Lets the `kerastl` command answer before a backend is loaded."""

import pathlib
import sys


def starts_command():
    """Whether this import only leads to the module of the command line.

    The `kerastl` script imports `kerastl.apps.cli`, and Python imports the
    packages around it first. Loading Keras and its backend there would make
    `kerastl --help` wait for seconds, behind the log of the backend. So the
    packages pass over their imports then, and the command line loads them
    again, quietly, when a verb needs them.
    """
    return (
        bool(sys.argv)
        and pathlib.Path(sys.argv[0]).stem == "kerastl"
        and "kerastl.apps.cli" not in sys.modules
    )
