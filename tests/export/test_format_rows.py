from kerastl.export.format_rows import format_rows


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
