"""The text of a verdict made by hand."""

import dataclasses

import pytest

from kerastl.export.targets.check_report import CheckReport
from kerastl.export.targets.check_report import TargetError

REPORT = CheckReport(
    path="a.tflite",
    target="tflite-micro",
    target_title="microcontrollers",
    problems=[],
    operators={"ADD": 2, "CONV_2D": 3},
    types={"int8": 5},
    missing=[],
    partitions=1,
    outside={},
    static_shapes=True,
    size_bytes=1_234_567,
    activation_bytes=45_678,
    arena_bytes=56_789,
    multiply_adds=12_345_678,
    notes=["A note."],
    sources=[{"what": "a table", "date": "2026-01-02"}],
)


def test_all_rows():
    assert str(REPORT).splitlines() == [
        "target         tflite-micro: microcontrollers",
        "file           a.tflite (1,234,567 bytes of flash)",
        "result         passed",
        "operators      ADD 2, CONV_2D 3",
        "types          int8 5",
        "delegate       1 partition",
        "shapes         static",
        "memory         46 kB of activations at the peak, a tensor arena of "
        "about 57 kB",
        "               (placed by lifetime; scratch of fast kernels excluded)",
        "multiply-adds  12.35 million",
        "note           A note.",
        "table          a table, 2026-01-02",
    ]
    assert REPORT.passed and REPORT.to_dict()["passed"] is True


@pytest.mark.parametrize(
    "changes, row",
    [
        ({"problems": ["Too large."]}, "result         FAILED"),
        ({"problems": ["Too large."]}, "               Too large."),
        ({"static_shapes": False}, "shapes         dynamic"),
        ({"partitions": 0}, "delegate       0 partitions"),
        (
            {"partitions": 2, "outside": {"PAD": 1, "RELU": 2}},
            "delegate       2 partitions; outside: PAD 1, RELU 2",
        ),
        (
            {"partitions": None},
            "delegate       the runtime on this machine cannot run the file",
        ),
        (
            {"target": "xnnpack"},
            "memory         46 kB of activations at the peak (placed by "
            "lifetime; scratch of",
        ),
    ],
)
def test_other_rows(changes, row):
    report = dataclasses.replace(REPORT, **changes)
    assert row in str(report).splitlines()
    assert report.passed is not bool(report.problems)


def test_a_refusal_tells_every_problem():
    report = dataclasses.replace(REPORT, problems=["One.", "Two."])
    error = TargetError(report)
    assert error.report is report
    assert str(error) == (
        "The file fails the check for tflite-micro: One. Two. No file is "
        "written that the target cannot run. Received: target='tflite-micro'"
    )
