import pytest

from kerastl.apps.data.check_class_names import check_class_names
from kerastl.apps.data.check_class_names import differ_in_case

ODD = [
    "shirt [m]",
    "[/b]x",
    ":smile:",
    "<b>&amp;",
    "a,b;\"c\" 'd'",
    "$x_1$",
    "|*_`#\\",
    "日本語",
    "می‌خواهم",
    "👩‍🔬",
    "x" * 255,
]


def test_names_of_every_kind_are_kept():
    assert check_class_names(ODD) == ODD
    many = [str(index) for index in range(1000)]
    assert check_class_names(iter(many)) == many


@pytest.mark.parametrize(
    "name, reason",
    [
        ("a\nb", r"\\n"),
        ("a\rb", r"\\r"),
        ("a\tb", r"\\t"),
        ("a\x1b[31mb", r"\\x1b"),
        ("a\x00", r"\\x00"),
        ("a\x85b", r"\\x85"),
        ("a\u2028b", r"\\u2028"),
        ("a\u2029b", r"\\u2029"),
        ("a\u202eb", r"\\u202e"),
        ("a\u2066b", r"\\u2066"),
        ("a\u200bb", r"\\u200b"),
        ("\ufeffa", r"\\ufeff"),
        ("a\udcff", "not UTF-8"),
        ("", "is empty"),
        ("  ", "is empty"),
        (" a", "white space"),
        ("a\u00a0", "white space"),
    ],
)
def test_names_that_cannot_be_written_are_refused(name, reason):
    with pytest.raises(ValueError, match=reason) as caught:
        check_class_names(["fine", name])
    str(caught.value).encode("ascii")


def test_one_name_in_two_unicode_forms_is_one():
    assert check_class_names(["cafe\u0301"]) == ["caf\u00e9"]
    with pytest.raises(ValueError, match="same name.*'café' twice"):
        check_class_names(["cafe\u0301", "caf\u00e9"])


def test_letters_of_both_cases_are_told():
    assert differ_in_case(["a", "B", "A", "c"]) == [["a", "A"]]
