import re

import pytest

from kerastl.apps.report import drawing
from kerastl.apps.report.write_report import _FOLDER

STYLE = (_FOLDER / "page.css").read_text("utf-8")
VARIABLE = re.compile(r"(--[\w-]+): (#[0-9a-f]+)")


def test_pictures_have_the_colours_of_the_page():
    light, dark = STYLE.split("prefers-color-scheme: dark")
    assert {
        name: colour for colour, name in drawing.VARIABLES.items()
    }.items() <= dict(VARIABLE.findall(light)).items()
    # Each colour has a partner in the dark.
    names = [name for name, _ in VARIABLE.findall(light)]
    assert names == [name for name, _ in VARIABLE.findall(dark)]


def test_colours_alone_are_exchanged():
    source = '<svg aria-label="#1f2933"><use xlink:href="#aa1122"'
    style = 'style="fill: #1f2933; stroke: #ffffff; stroke-width: 2"'
    assert drawing.in_page(f"{source} {style}/></svg>") == (
        f'{source} style="fill: var(--ink); stroke: var(--on-blue); '
        'stroke-width: 2"/></svg>'
    )


@pytest.mark.parametrize(
    "values, limits, ticks",
    [
        # Seven tenths of a point take less than a thirtieth of the axis.
        ([80.5, 81.2], (68.35, 93.35), [70, 75, 80, 85, 90]),
        # There is no more than 100 %, but room for a figure beside it.
        ([99.0, 100.0], (78.0, 103.0), [80, 85, 90, 95, 100]),
        ([0.0, 1.0], (-3.0, 13.0), [0, 5, 10]),
        # What lies far apart has its own axis.
        ([20.0, 80.0], (2.0, 98.0), [20, 40, 60, 80]),
    ],
)
def test_an_axis_of_per_cent_is_not_too_short(values, limits, ticks):
    _, axes = drawing.panel(4, 1)
    axes.scatter(values, [0, 0])
    axes.margins(x=0.3)
    drawing.label_rows(axes, [{"label": "a"}], "A", top=-0.5, margin=0.3)
    assert axes.get_xlim() == pytest.approx(limits)
    assert list(axes.get_xticks()) == ticks
