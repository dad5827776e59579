"""Text as it stands, whatever it is printed on."""

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
