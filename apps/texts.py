"""Names and lines, written so that a console can show them."""

import io
import unicodedata

# Of the invisible characters that change how others are shown, those that
# write words: joiners and the marks of some scripts stay.
_CONTROLS = {"Cc", "Cs", "Zl", "Zp"}
UNSEEN = frozenset(
    "\u00ad\u061c\u180e\u200b\u200e\u200f\ufeff"
    "\u202a\u202b\u202c\u202d\u202e"
    "\u2060\u2061\u2062\u2063\u2064\u2066\u2067\u2068\u2069"
)


def is_unprintable(character):
    """Whether a character would change the line that it is printed in."""
    return character in UNSEEN or unicodedata.category(character) in _CONTROLS


def literal(text):
    r"""Returns text with what cannot be printed written as escapes.

    Control characters, line breaks, bytes that were no UTF-8 and characters
    that turn the direction of writing could break a terminal, a table or the
    file that they are written to.

    >>> literal("a\nb")
    'a\\nb'
    """
    return "".join(
        character.encode("unicode_escape").decode("ascii")
        if is_unprintable(character)
        else character
        for character in str(text)
    )


_WIDTH = 80


class Printable:
    """A result that has `print(console)`: `str` of it is what that prints."""

    def __str__(self):
        import rich.console

        text = io.StringIO()
        self.print(rich.console.Console(file=text, width=_WIDTH))
        return text.getvalue().rstrip("\n")


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
