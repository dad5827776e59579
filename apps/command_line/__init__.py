"""The `kerastl` command: each verb calls a function of `kerastl.apps`.

Installed under a name of its own: Python imports the packages around a module
first, and as `kerastl.apps.command_line` this would load Keras and its backend
before `kerastl --help` could say a word.
"""
