import pytest

from kerastl.export.package.c_example import c_identifier


@pytest.mark.parametrize(
    "name, expected",
    [
        ("model_int8", "model_int8"),
        ("My model-int8 (2)", "my_model_int8_2"),
        ("8bit", "model_8bit"),
        ("Größe", "gr_e"),
        ("--", "model_"),
        ("Class", "model_class"),
        ("int", "model_int"),
    ],
)
def test_names_become_identifiers(name, expected):
    assert c_identifier(name) == expected
    assert expected.isidentifier()
