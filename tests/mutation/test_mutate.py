"""The tool on a source of its own: what is drawn, and what is killed."""

import json
import pathlib
import sys

import pytest

pytest.importorskip("cosmic_ray", reason='pip install -e ".[mutation]"')
pytestmark = [
    pytest.mark.forks,
    pytest.mark.skipif(
        not hasattr(sys.modules["os"], "fork"), reason="the tool forks"
    ),
]

SOURCE = '''\
"""A module of 2 functions."""

import math


def half(x: int | None, low=0) -> float | None:
    """Half of `x`, 1 / 2."""
    if x < low:
        return 0
    return x / 2


def unseen(x):
    return x + 1
'''
TESTS = """\
import toy


def test_half():
    assert toy.half(4) == 2
    assert toy.half(-4) == 0
"""


@pytest.fixture
def tools(monkeypatch):
    monkeypatch.syspath_prepend(str(pathlib.Path(__file__).parent))
    import draw_mutants
    import mutate
    import run_mutants

    return draw_mutants.draw_mutants, run_mutants.run_mutants, mutate


def test_every_place_is_changed_once(tools):
    draw, _, _ = tools
    drawn, places = draw(SOURCE, None, 0)
    assert 5 <= len(drawn) <= places
    assert {each.line for each in drawn} == {6, 8, 9, 10, 14}
    for each in drawn:
        assert each.source != SOURCE
        assert each.before == SOURCE.splitlines()[each.line - 1].strip()
        assert "int | None, low=" in each.source
        assert "Half of `x`, 1 / 2." in each.source
    few, _ = draw(SOURCE, 2, 0)
    assert len(few) == 2
    assert draw(SOURCE, 2, 0)[0] == few
    assert any(draw(SOURCE, 2, seed)[0] != few for seed in range(1, 9))


def test_what_the_tests_see_is_killed(tools, tmp_path, monkeypatch):
    _, run, _ = tools
    (tmp_path / "toy.py").write_text(SOURCE)
    (tmp_path / "test_toy.py").write_text(TESTS)
    monkeypatch.syspath_prepend(str(tmp_path))
    changes = {
        "nothing": SOURCE,
        "seen": SOURCE.replace("x / 2", "x * 2"),
        "unseen": SOURCE.replace("x + 1", "x - 1"),
        "border": SOURCE.replace("x < low", "x <= low"),
        "endless": SOURCE.replace("return x / 2", "while True: pass"),
        "broken": SOURCE.replace("import math", "import maths"),
    }

    def codes(names, limit):
        sources = [changes[name] for name in names]
        tests = [tmp_path / "test_toy.py"]
        path = tmp_path / "toy.py"
        ended = run(path, "toy", sources, tests, jobs=2, limit=limit)
        return {names[index]: (code, failed) for index, code, failed in ended}

    # Generous, for a busy machine; what never ends waits no longer than this.
    found = codes([name for name in changes if name != "endless"], 120)
    found |= codes(["endless"], 3)
    assert found["nothing"] == found["unseen"] == found["border"] == (0, "")
    code, failed = found["seen"]
    assert code == 1 and failed.endswith("test_toy.py::test_half")
    assert found["broken"][0] not in (0, 5)
    assert found["endless"] == (None, "")
    assert "toy" not in sys.modules


def test_what_reads_the_source_sees_the_change(tools, tmp_path, monkeypatch):
    """As AutoGraph does, which compiles what it finds in the file."""
    source = SOURCE.replace("x / 2", "x * 2")
    (tmp_path / "toy.py").write_text(SOURCE)
    test = tmp_path / "test_toy.py"
    test.write_text(
        "import inspect, linecache, toy\n"
        "def test_lines():\n"
        "    linecache.checkcache()\n"
        "    assert 'x / 2' in inspect.getsource(toy.half)\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    ended = tools[1](
        tmp_path / "toy.py", "toy", [SOURCE, source], [test], 1, 99
    )
    assert [code for _, code, _ in ended] == [0, 1]


def test_tests_stand_where_the_source_does(tools):
    mutate = tools[2]
    path = pathlib.PurePosixPath
    assert mutate.module_name(path("export/package/metadata.py")) == (
        "kerastl.export.package.metadata"
    )
    assert (mutate.ROOT / mutate.NAMES).exists()
    tests = mutate.tests_of(path("kerastl/fine_tuner.py"))
    names = [file.name for file in tests]
    assert "test_fine_tuner.py" in names
    assert "test_fine_tuner_errors.py" in names
    # Known by a test that calls it, by what reads it, and by what reads that.
    for source, test in (
        ("kerastl/surgery/imprint_head.py", "test_initialize_head.py"),
        ("kerastl/losses/source_head_loss.py", "test_akc.py"),
        ("kerastl/layers/blur_grid.py", "test_blur_pooling_2d.py"),
        ("kerastl/surgery/source_relation.py", "test_initialize_head.py"),
    ):
        names = [file.name for file in mutate.tests_of(pathlib.Path(source))]
        assert test in names and len(names) <= 2


def test_what_changes_nothing_does_not_count(tools, tmp_path, monkeypatch):
    draw, _, mutate = tools
    drawn, _ = draw(SOURCE, None, "0/toy.py")
    known = next(each for each in drawn if each.line == 14)
    path = tmp_path / "equivalent.json"
    monkeypatch.setattr(mutate, "EQUIVALENT", path)
    monkeypatch.setattr(mutate, "ROOT", tmp_path)
    monkeypatch.setattr(mutate, "module_name", lambda path: "toy")
    monkeypatch.setattr(mutate, "tests_of", lambda path: [])
    (tmp_path / "toy.py").write_text(SOURCE)
    for reason in ({}, {"after": "return x", "reason": "another"}):
        change = {"before": known.before, "after": known.after, **reason}
        path.write_text(json.dumps({"toy.py": [change]}))
        row = mutate.measure(pathlib.Path("toy.py"), None, 0, 1)
        left_out = not reason
        assert row["equivalent"] == left_out
        assert row["drawn"] == len(drawn) - left_out


def test_a_test_that_fails_by_itself_kills_nothing(
    tools, tmp_path, monkeypatch
):
    mutate = tools[2]
    test = tmp_path / "test_toy.py"
    test.write_text("import toy\ndef test_it():\n    assert toy.half(4) == 3\n")
    (tmp_path / "toy.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(mutate, "ROOT", tmp_path)
    monkeypatch.setattr(mutate, "module_name", lambda path: "toy")
    monkeypatch.setattr(mutate, "tests_of", lambda path: [test])
    monkeypatch.setattr(mutate, "NAMES", test)
    with pytest.raises(RuntimeError, match="must pass before .*::test_it"):
        mutate.measure(pathlib.Path("toy.py"), 1, 0, 1)
    test.write_text(TESTS)
    row = mutate.measure(pathlib.Path("toy.py"), 3, 0, 2)
    assert row["killed"] + len(row["survived"]) == row["drawn"] == 3
    assert row["killed"] >= 1
    # A function that nobody calls.
    assert 14 in {each["line"] for each in row["survived"]}
    # It is tested now, and what was killed is not tried again.
    test.write_text(
        "import toy\ndef test_it():\n    assert toy.unseen(3) == 4\n"
    )
    again = mutate.measure(pathlib.Path("toy.py"), 3, 0, 2, before=row)
    assert 14 not in {each["line"] for each in again["survived"]}
    assert again["killed"] > row["killed"] and again["drawn"] == 3


def test_every_change_that_is_left_out_has_a_line_and_a_reason(tools):
    mutate = tools[2]
    for path, changes in mutate.equivalent_changes().items():
        lines = (mutate.ROOT / path).read_text(encoding="utf-8").splitlines()
        lines = [line.strip() for line in lines]
        for change in changes:
            assert change["before"] in lines, (path, change)
            assert change["before"] != change["after"] and change["reason"]


def test_scores_are_shares_of_what_was_drawn(tools):
    files = {
        "kerastl/losses/a.py": {"drawn": 8, "killed": 8},
        "kerastl/losses/b.py": {"drawn": 2, "killed": 0},
        "export/c.py": {"drawn": 6, "killed": 5},
        "export/targets/c.py": {"drawn": 4, "killed": 4},
        "export/d.py": {"drawn": 0, "killed": 0},
    }
    assert tools[2].scores(files) == {
        "all": 0.85,
        "export": 0.9,
        "kerastl/losses": 0.8,
    }


def test_the_readme_tells_the_figures_that_were_measured(tools):
    mutate = tools[2]
    folder = pathlib.Path(__file__).parent
    found = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    assert found["scores"] == mutate.scores(found["files"])
    text = (folder.parent / "README.md").read_text(encoding="utf-8")
    text = " ".join(text.split())
    for place in found["scores"].keys() - {"all"}:
        rows = [
            row
            for path, row in found["files"].items()
            if path.startswith(f"{place}/")
        ]
        killed, drawn = (
            sum(row[key] for row in rows) for key in ("killed", "drawn")
        )
        assert f"{killed} of {drawn} in `{place}`" in text
