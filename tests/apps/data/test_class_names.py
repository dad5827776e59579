import pytest

from kerastl.apps.data.class_names import check_class_names
from kerastl.apps.data.class_names import differ_in_case
from kerastl.apps.data.class_names import labels_text
from kerastl.apps.data.class_names import name_some
from kerastl.apps.data.class_names import read_class_names
from kerastl.apps.data.class_names import read_labels
from kerastl.export.package.tflite_metadata import join_archive

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


@pytest.mark.parametrize(
    "content",
    [
        "a b\n[c]\nd\u2028e\n",
        "a b\r\n[c]\r\nd\u2028e\r\n",
        "a b\n[c]\nd\u2028e",
        "a b\n[c]\nd\u2028e\n\n\n",
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_names_are_read_as_they_are_written(tmp_path, content, encoding):
    path = tmp_path / "labels.txt"
    path.write_bytes(content.encode(encoding))
    assert read_labels(path) == ["a b", "[c]", "d\u2028e"]


def test_what_is_written_is_read(tmp_path):
    names = ["é", " x", "a\x0bb", "", "z"]
    path = tmp_path / "labels.txt"
    path.write_bytes(labels_text(names).encode())
    assert read_labels(path) == names


def test_other_bytes_are_told(tmp_path):
    path = tmp_path / "labels.txt"
    path.write_bytes(b"caf\xe9\n")
    with pytest.raises(ValueError, match="not UTF-8.*labels="):
        read_labels(path)


def test_names_in_the_file_go_before_those_beside_it(tmp_path):
    path = tmp_path / "a.tflite"
    path.write_bytes(b"graph")
    assert read_class_names(path, 2) is None
    (tmp_path / "labels.txt").write_text("cat\ndog\n")
    assert read_class_names(path, 2) == ["cat", "dog"]
    path.write_bytes(
        join_archive(b"graph", {"class_names": ["sit", "run"]}, [])
    )
    assert read_class_names(path, 2) == ["sit", "run"]


def test_a_single_output_has_two_names(tmp_path):
    (tmp_path / "labels.txt").write_text("no\nyes\n")
    (tmp_path / "a.keras").write_bytes(b"")
    assert read_class_names(tmp_path / "a.keras", 1) == ["no", "yes"]


def test_labels_of_another_model_are_refused(tmp_path):
    (tmp_path / "labels.txt").write_text("cat\ndog\n")
    (tmp_path / "a.keras").write_bytes(b"")
    with pytest.raises(ValueError, match="2 names, the model 3 outputs"):
        read_class_names(tmp_path / "a.keras", 3)


def test_of_many_names_those_that_differ_are_told():
    ours = [f"class {letter}" for letter in "abcdefgh"]
    theirs = [*ours[:7], "class x"]
    assert name_some(ours[:3], theirs) == "class a, class b, class c"
    for names, others, own in ((ours, theirs, "h"), (theirs, ours, "x")):
        assert name_some(names, others) == (
            f"class {own}, class a, class b, class c, class d and 3 more"
        )
    assert name_some([], ours) == ""
