import pytest

from kerastl.export.utils.text_tables import describe_change
from kerastl.export.utils.text_tables import format_change
from kerastl.export.utils.text_tables import format_rows
from kerastl.export.utils.text_tables import format_size


def test_long_texts_are_wrapped_under_their_label():
    text = format_rows([("label", "word " * 40), ("", "next")])
    first, second, *_, last = text.splitlines()
    assert first.startswith("label          word")
    assert second.startswith("               word")
    assert last == "               next"
    assert max(map(len, text.splitlines())) <= 80


def test_names_with_hyphens_stay_whole():
    text = format_rows([("label", "one-two-three " * 20)])
    assert text.split() == ["label", *["one-two-three"] * 20]


def test_a_line_has_eighty_columns():
    words = "a" * 64
    assert format_rows([("label", f"{words} b")]) == (
        f"label          {words}\n               b"
    )
    assert format_rows([("label", f"{words[2:]} b")]) == (
        f"label          {words[2:]} b"
    )


@pytest.mark.parametrize(
    "size, text",
    [
        (0, "0 kB"),
        (499, "0 kB"),
        (1024, "1 kB"),
        (110_188, "110 kB"),
        (999_499, "999 kB"),
        (999_500, "1.0 MB"),
        (1 << 20, "1.0 MB"),
        (3_540_000, "3.5 MB"),
    ],
)
def test_a_kilobyte_is_a_thousand_bytes(size, text):
    assert format_size(size) == text


@pytest.mark.parametrize(
    "drop, sign, words",
    [
        (0.0125, "-1.2", "1.2 points lost"),
        (0.04, "-4.0", "4.0 points lost"),
        (-0.04, "+4.0", "4.0 points gained"),
        (0.0, "0.0", "0.0 points lost"),
        (-0.0, "0.0", "0.0 points lost"),
        (-0.0004, "0.0", "0.0 points lost"),
        (0.0004, "0.0", "0.0 points lost"),
        (-0.001, "+0.1", "0.1 points gained"),
    ],
)
def test_a_gain_is_no_negative_loss(drop, sign, words):
    assert format_change(drop) == sign
    assert describe_change(drop) == words


def test_more_digits():
    assert format_change(0.00125, 2) == "-0.12"
    assert format_change(-0.0004, 2) == "+0.04"
    assert describe_change(-0.0004, 2) == "0.04 points gained"
