"""What is said of the files that were tried."""

from kerastl.export.diagnosis.selective_report import FrontierPoint
from kerastl.export.diagnosis.selective_report import SelectiveReport
from kerastl.export.diagnosis.selective_report import UnreachableError
from kerastl.export.diagnosis.selective_report import frontier_table

POINTS = (
    FrontierPoint(0, 0.505, 0.4, 12_345, 1.234, 1),
    FrontierPoint(2, 0.9, 0.005, 45_678, 12.345, 5),
    FrontierPoint(4, 0.91, -0.005, 2_345_678, 2.0, 9),
)
TABLE = [
    "layers in float   operators   accuracy   change     size   latency",
    "              0           1     50.50%   -40.00    12 kB   1.23 ms",
    "              2           5     90.00%    -0.50    46 kB  12.35 ms",
    "              4           9     91.00%    +0.50   2.3 MB   2.00 ms",
]


def test_a_line_for_each_file():
    assert frontier_table(POINTS).splitlines() == TABLE
    marked = frontier_table(POINTS, POINTS[1]).splitlines()
    assert marked == [*TABLE[:2], f"{TABLE[2]} *", TABLE[3]]


def report(*layers):
    return SelectiveReport("a file", 0.01, layers, 17, POINTS)


def test_the_file_that_was_chosen():
    found = report("conv", "dense")
    assert found.chosen is POINTS[1]
    lines = str(found).splitlines()
    assert lines[:3] == [
        "a file",
        "",
        "In float: conv, dense (5 of 17 operators).",
    ]
    assert lines[3:] == ["", *TABLE[:2], f"{TABLE[2]} *", TABLE[3]]
    lines = str(report()).splitlines()
    assert lines[2] == "No layer had to be kept in float."
    assert lines[5] == f"{TABLE[1]} *"


def test_names_are_wrapped_and_stay_whole():
    names = [f"block-{index}-conv" for index in range(9)]
    point = FrontierPoint(9, 0.9, 0.0, 1000, 1.0, 9)
    found = SelectiveReport(None, 0.01, names, 17, (point,))
    lines = str(found).splitlines()
    assert max(map(len, lines)) <= 80
    said = " ".join(lines[2:4])
    assert said == f"In float: {', '.join(names)} (9 of 17 operators)."


def test_the_best_that_was_reached():
    error = UnreachableError(POINTS[:2], 0.001, 2)
    first, *table = str(error).splitlines()
    assert first == (
        "No choice of float layers keeps the loss within the allowed 0.10 "
        "points of accuracy. The best reached is 0.50 points, with 2 layers "
        "in float. No file was written. Allow more loss or more float layers, "
        "calibrate with more images, or train with `quantization_aware`. "
        "Received: max_accuracy_drop=0.001, max_float_layers=2"
    )
    assert table == [*TABLE[:2], f"{TABLE[2]} *"]
    assert error.best is POINTS[1] and error.frontier == POINTS[:2]
    assert error.max_accuracy_drop == 0.001
