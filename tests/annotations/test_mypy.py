"""What mypy says of the package, and of scripts of its users."""

import pathlib
import re

import pytest

from .run_mypy import ROOT
from .run_mypy import run_mypy

HERE = pathlib.Path(__file__).parent


@pytest.fixture(scope="module")
def said(tmp_path_factory):
    """The lines of a report on the package and on three scripts."""
    folder = tmp_path_factory.mktemp("mypy")
    readme = (ROOT / "README.md").read_text()
    (code,) = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
    script = folder / "readme.py"
    script.write_text(code)
    report, _ = run_mypy(
        folder, script, HERE / "user_script.py", HERE / "wrong_script.py"
    )
    return report.splitlines()


def test_nothing_is_said_of_the_package_and_of_right_scripts(said):
    assert [line for line in said if "wrong_script" not in line] == []


def test_every_mistake_of_a_wrong_script_is_found(said):
    found = [
        (int(number), kind)
        for number, kind in re.findall(
            r"wrong_script\.py:(\d+): error: .* \[([a-z-]+)\]", "\n".join(said)
        )
    ]
    lines = (HERE / "wrong_script.py").read_text().splitlines()
    expected = [
        (number, line.rpartition("# error: ")[2])
        for number, line in enumerate(lines, 1)
        if "# error: " in line
    ]
    assert len(expected) > 15
    assert sorted(found) == expected
