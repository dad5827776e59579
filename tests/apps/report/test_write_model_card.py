import json
import re

import numpy as np
import pytest

from kerastl import apps
from kerastl import export

pytestmark = pytest.mark.tensorflow_only


@pytest.fixture
def report(finished_run):
    return json.loads((finished_run.output / "report.json").read_text())


def write(report, tmp_path):
    path = apps.write_model_card(report, tmp_path / "CARD.md")
    return path.read_text(encoding="utf-8")


def test_every_run_has_a_card_with_its_figures(finished_run, report):
    card = (finished_run.output / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert card.startswith(f"# {report['title']}\n")
    headings = re.findall(r"^## (.+)$", card, re.MULTILINE)
    assert headings == [
        "How good it is",
        "Files",
        "How to use it",
        "Data",
        "Limits",
        "How it was made",
    ]
    accuracy = report["reference"]["accuracy"]
    assert f"{100 * accuracy:.1f} % of {report['evaluated_on']}" in card
    for row in report["exports"]:
        assert f"| {row['file']} |" in card
    for name in report["data"]["classes"]:
        assert f"| {name} |" in card
    assert f"keras {report['versions']['keras']}" in card


def test_tables_are_whole(finished_run):
    card = (finished_run.output / "MODEL_CARD.md").read_text(encoding="utf-8")
    tables = re.findall(r"(?:^\|.*\|\n?)+", card, re.MULTILINE)
    assert len(tables) >= 5
    for table in tables:
        columns = {line.count("|") for line in table.strip().splitlines()}
        assert len(columns) == 1


def test_the_interval_covers_what_counting_leaves_open(report, tmp_path):
    """Against the quantiles of the share's posterior under a flat prior."""
    report["confusion"] = {
        "class_names": ["a", "b"],
        "matrix": [[45, 5], [5, 45]],
    }
    report["reference"]["accuracy"] = 0.9
    card = write(report, tmp_path)
    low, high = map(
        float, re.search(r"interval ([\d.]+) % to ([\d.]+) %", card).groups()
    )
    draws = np.random.default_rng(0).beta(91, 11, 100_000)
    expected = 100 * np.quantile(draws, [0.025, 0.975])
    assert [low, high] == pytest.approx(expected, abs=0.7)


def test_the_worst_class_comes_first(report, tmp_path):
    report["confusion"] = {
        "class_names": ["good", "bad|worse"],
        "matrix": [[10, 0], [7, 3]],
    }
    card = write(report, tmp_path)
    assert card.index("| bad\\|worse | 10 | 30.0 % | good (7) |") < card.index(
        "| good | 10 | 100.0 % |"
    )


def test_a_file_that_lost_much_is_a_limit(report, tmp_path):
    report["exports"][0]["accuracy_drop"] = 0.051
    assert "loses 5.1 points" in write(report, tmp_path)


def test_a_run_without_exports_has_a_card(report, tmp_path):
    del report["exports"]
    card = write(report, tmp_path)
    assert "kerastl predict model.keras" in card


def test_the_files_of_a_run_say_what_they_are(finished_run, report):
    for row in report["exports"]:
        path = finished_run.output / row["file"]
        assert path.stat().st_size == row["size_bytes"]
        metadata = export.read_metadata(path)
        assert metadata.class_names == ["circle", "cross", "square"]
        assert metadata.metrics["accuracy"] == row["accuracy"]
        assert metadata.metrics["scheme"] == row["scheme"]
        assert metadata.training["title"] == report["title"]
        assert metadata.input["shape"] == [16, 16, 3]


def test_names_are_no_markup(report, tmp_path):
    names = ["<script>a&b</script>", "[x](y)", "*b* `c`", "_d_ e_f", "g|h"]
    report["title"] = names[0]
    report["confusion"] = {
        "class_names": names,
        "matrix": np.eye(len(names), dtype=int).tolist(),
    }
    card = write(report, tmp_path)
    assert "<script>" not in card
    assert card.startswith("# &lt;script&gt;a&amp;b&lt;/script&gt;\n")
    for shown in ("\\[x\\](y)", "\\*b\\* \\`c\\`", "\\_d\\_ e_f", "g\\|h"):
        assert f"| {shown} | 1 |" in card


def test_bytes_that_are_no_text_do_not_lose_the_run(report, tmp_path):
    report["settings"]["data"] = "photos\udcff/\n\u2028"
    # A backslash in front keeps Markdown from taking the next one away.
    shown = r"photos\\udcff/\\n\\u2028"
    assert shown in write(report, tmp_path)
    # Of these the pictures are not there.
    report["examples"] = []
    page = apps.write_report(report, tmp_path / "r.html", tmp_path)
    assert "photos\\udcff" in page.read_text(encoding="utf-8")


def test_what_was_left_out_is_told_by_reason(report, tmp_path):
    report["data"]["left_out"] = [
        {"reason": "HEIC needs it", "count": 28, "examples": ["a.heic"]}
    ]
    assert "- 28 left out: HEIC needs it" in write(report, tmp_path)
