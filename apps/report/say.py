"""Prints text as it stands."""

from kerastl.apps.data.literal import literal


def say(console, text, wrap=True):
    """Prints lines to a console: no markup, no colours, no control characters.

    What users name (classes, files, folders) must not be read as markup, nor
    reach the terminal as a command.

    Args:
        console: A `rich.console.Console`; `None` says nothing.
        text: One line or more, or `None` to say nothing.
        wrap: Whether long lines are broken at the console's width.
    """
    if console is None or text is None:
        return
    lines = map(literal, str(text).split("\n"))
    console.print(
        "\n".join(lines),
        highlight=False,
        markup=False,
        emoji=False,
        soft_wrap=not wrap,
    )
