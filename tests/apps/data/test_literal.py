import pytest

from kerastl.apps.data.literal import literal


@pytest.mark.parametrize(
    "text, expected",
    [
        ("shirt [m] <b>", "shirt [m] <b>"),
        ("日本 é 👩‍🔬", "日本 é 👩‍🔬"),
        ("a\nb\tc", "a\\nb\\tc"),
        ("\x1b[31m", "\\x1b[31m"),
        ("a\u2028b", "a\\u2028b"),
        ("a\u202eb", "a\\u202eb"),
        ("a\udcff", "a\\udcff"),
    ],
)
def test_only_what_cannot_be_printed_is_escaped(text, expected):
    assert literal(text) == expected
    literal(text).encode("utf-8")
