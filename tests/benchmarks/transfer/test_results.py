import csv
import dataclasses

import pytest
from grid import Cell
from results import COLUMNS
from results import Results
from summarize import describe_settings
from summarize import evidence
from summarize import interval
from summarize import summarize

_CELL = Cell("digits", "resnet8", "fine_tune", 5, learning_rate=0.003)


def _row(validation=70.0, test=71.5, status="done", **changes):
    cell = dataclasses.replace(_CELL, **changes)
    return {
        **dataclasses.asdict(cell),
        "validation": validation,
        "test": test,
        "status": status,
        "seconds": 3,
    }


def test_rows_come_back_as_they_were_written(tmp_path):
    path = tmp_path / "results.csv"
    results = Results(path)
    assert _CELL not in results
    results.append(_row())
    results.append(_row(seed=1, test=72.0))
    again = Results(path)
    assert _CELL in again
    assert dataclasses.replace(_CELL, seed=1) in again
    assert dataclasses.replace(_CELL, seed=2) not in again
    assert [row["test"] for row in again.rows] == [71.5, 72.0]


def test_a_last_line_that_a_kill_cut_is_run_again(tmp_path):
    path = tmp_path / "results.csv"
    results = Results(path)
    results.append(_row())
    results.append(_row(seed=1))
    path.write_bytes(path.read_bytes()[:-9])
    cut = Results(path)
    assert len(cut.rows) == 1
    assert dataclasses.replace(_CELL, seed=1) not in cut
    cut.append(_row(seed=1, test=60.0))
    assert [row["test"] for row in Results(path).rows] == [71.5, 60.0]


def test_a_file_cut_in_its_header_begins_anew(tmp_path):
    path = tmp_path / "results.csv"
    path.write_text("data,netw")
    results = Results(path)
    results.append(_row())
    assert len(Results(path).rows) == 1


def test_another_table_is_refused(tmp_path):
    path = tmp_path / "results.csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match="other columns"):
        Results(path)


def test_a_file_of_before_an_option_is_read_with_its_default(tmp_path):
    path = tmp_path / "results.csv"
    old = [name for name in COLUMNS if name not in ("augment", "keep")]
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, old, extrasaction="ignore")
        writer.writeheader()
        writer.writerow(_row())
    before = path.read_text()
    results = Results(path)
    assert path.read_text() == before
    assert _CELL in results and results.rows[0]["keep"] == "last"
    strong = dataclasses.replace(_CELL, augment="strong")
    assert strong not in results
    results.append(_row(augment="strong", test=60.0))
    again = Results(path)
    assert [row["augment"] for row in again.rows] == ["light", "strong"]
    assert [row["test"] for row in again.rows] == [71.5, 60.0]
    assert strong in again and _CELL in again
    assert path.read_text().startswith(",".join(COLUMNS) + "\n")


def test_a_setting_that_chose_an_epoch_is_judged_on_test_images():
    default = {"learning_rate": 0.0005}
    rows = [
        _row(60, 50.0, **default),
        _row(70, 52.0, **default, keep="best"),
    ]
    for row in rows:
        row |= {"validation_images": 300, "test_images": 100}
    best, last = describe_settings(rows)
    assert (best["keep"], last["keep"]) == ("best", "last")
    assert best["accuracy"] == 52 and best["gain"] == 2
    assert last["accuracy"] == 57.5


def test_settings_are_chosen_on_validation_and_judged_on_test():
    rows = []
    for seed in range(3):
        plain = {"method": "fine_tune", "seed": seed}
        rows += [
            _row(60 + seed, 50.0 + seed, learning_rate=0.01, **plain),
            _row(59 + seed, 90.0, learning_rate=0.003, **plain),
            _row(70, 55.0 + 2 * seed, method="ktft", seed=seed),
        ]
    ktft, plain = summarize(rows)
    assert (ktft["method"], plain["method"]) == ("ktft", "fine_tune")
    assert plain["learning_rate"] == 0.01
    assert plain["accuracy"] == pytest.approx(51.0)
    assert ktft["accuracy"] == pytest.approx(57.0)
    # Paired: 5, 6 and 7 points.
    assert ktft["gain"] == pytest.approx(6.0)
    assert ktft["gain_interval"] == pytest.approx(2.484, abs=1e-3)


def test_a_setting_that_exploded_or_lacks_seeds_is_not_chosen():
    rows = [
        _row(50, 1.0, seed=0),
        _row(50, 2.0, seed=1),
        _row(99, 3.0, seed=0, learning_rate=0.1),
        _row(99, 3.0, seed=0, learning_rate=1.0),
        _row("", "", "exploded", seed=1, learning_rate=1.0),
    ]
    (line,) = summarize(rows)
    assert line["learning_rate"] == 0.003
    assert line["accuracy"] == pytest.approx(1.5)


def test_interval_of_the_mean_is_students():
    # t(0.975, 4) = 2.7764; standard deviation 1.5811 over sqrt 5.
    assert interval([1, 2, 3, 4, 5]) == pytest.approx(1.9632, abs=1e-4)
    assert interval([1]) is None


def test_settings_as_they_are_count_all_images():
    default = {"learning_rate": 0.0005}
    rows = [
        _row(60, 50.0, seed=0, **default),
        _row(62, 52.0, seed=1, **default),
        _row(70, 60.0, seed=0, learning_rate=0.001),
        _row(70, 64.0, seed=1, learning_rate=0.001),
        _row("", "", "exploded", seed=2, learning_rate=0.001),
    ]
    for row in rows:
        row |= {"validation_images": 300, "test_images": 100}
    base, faster = describe_settings(rows)
    assert base["accuracy"] == pytest.approx((57.5 + 59.5) / 2)
    assert (base["gain"], base["seeds"]) == (0, 2)
    assert faster["gain"] == pytest.approx((10.0 + 9.0) / 2)


def test_evidence_is_paired_and_shares_the_spread_of_all_seeds():
    gains = {"linear_probe": [-4, -6], "ktft": [1, 3, 5], "delta": [2]}
    rows = []
    for seed in range(3):
        for method, found in {"fine_tune": [0, 0, 0], **gains}.items():
            if seed < len(found):
                accuracy = 60.0 + seed + found[seed]
                row = _row(
                    accuracy,
                    accuracy,
                    method=method,
                    seed=seed,
                    learning_rate=0.0005,
                )
                row |= {"validation_images": 100, "test_images": 100}
                rows.append(row)
    rows.append({**rows[-1], "antialias": 3})
    found = {line["method"]: line for line in evidence(describe_settings(rows))}
    # Of one seed, or with a blur, nothing is said.
    assert set(found) == {"linear_probe", "ktft"}
    assert found["ktft"]["gain"] == 3
    # Variances 2 of two seeds and 4 of three: (1 * 2 + 2 * 4) / 3.
    spread = (10 / 3) ** 0.5
    assert found["ktft"]["error"] == pytest.approx(spread / 3**0.5, abs=0.006)
    assert found["linear_probe"]["error"] == pytest.approx(
        spread / 2**0.5, abs=0.006
    )
    # The probe's own accuracy, on the seeds that it has.
    assert found["ktft"]["probe"] == 55.5
    assert found["ktft"]["seeds"] == 3
    assert found["ktft"]["features"] == 64
