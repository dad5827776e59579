import csv
import json

from kerastl.apps.runs.run_folder import RunFolder
from kerastl.apps.runs.save_history import save_history


def test_what_is_no_number_is_null_in_json_and_empty_in_csv(tmp_path):
    folder = RunFolder(tmp_path / "run", {}, {})
    folder.begin()
    column = [0.5, float("nan"), float("inf"), None, -float("inf"), 2.0]
    save_history(folder, {"epoch": [1, 2, 3, 4, 5, 6], "share": column})
    text = folder.file("history.json").read_text()
    assert json.loads(text, parse_constant=lambda name: 1 / 0) == {
        "epoch": [1, 2, 3, 4, 5, 6],
        "share": [0.5, None, None, None, None, 2.0],
    }
    with folder.file("history.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["share"] for row in rows] == ["0.5", "", "", "", "", "2.0"]
