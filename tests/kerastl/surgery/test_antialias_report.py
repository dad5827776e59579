import dataclasses

import pytest

from kerastl.surgery.antialias_report import AntialiasReport
from kerastl.surgery.antialias_report import AntialiasRow

STEM = AntialiasRow(
    "backbone/stem",
    "Conv 3x3 /2",
    (17, 17),
    (9, 9),
    "blur after",
    "blur 3 after stem_relu",
    "stem_blur",
)
LEFT = AntialiasRow(
    "resize", "Resizing", (9, 12), (None, None), "left", "no rewrite"
)
REFUSED = AntialiasRow(
    "backbone/a_long_name/of_a_layer",
    "Conv 1x1 /2",
    None,
    (None, 4),
    "refused",
    "it is shared by two models, of which one alone is written anew here",
)
DONE = AntialiasRow("blur", "Blur 3x3 /2", (8, 8), (4, 4), "done", "a blur")
RULE = "-" * 80
HEAD = (
    "layer                      kind              size      what is done",
    RULE,
)


def _lines(*rows, before=None, after=None):
    report = AntialiasReport("net", rows, before, after)
    return str(report).splitlines()


def test_a_line_for_each_row():
    assert _lines(STEM, LEFT, DONE, before=2_000_000, after=2_500_000) == [
        "Anti-aliasing of net",
        "",
        *HEAD,
        "backbone/stem              Conv 3x3 /2       17->9     blur 3 after "
        "stem_relu",
        "resize                     Resizing          9x12->?   left: no "
        "rewrite",
        "blur                       Blur 3x3 /2       8->4      done: a blur",
        "",
        "1 anti-aliased (strides 1 now, the blur subsamples), 1 left as they "
        "are.",
        "Multiply-adds of one image: 2,000,000 -> 2,500,000 (x 1.25).",
    ]


def test_long_cells_are_wrapped_below_themselves():
    first, *rest = _lines(REFUSED)[4:-2]
    assert first.split("  ")[0] == "backbone/a_long_name/"
    assert first[27:].startswith("Conv 1x1 /2")
    # Not known, and known on one side.
    assert first[45:].startswith("?->?x4")
    assert rest[0].startswith("of_a_layer  ")
    words = " ".join(line[55:] for line in (first, *rest))
    assert words == f"refused: {REFUSED.reason}"
    assert max(map(len, (first, *rest))) <= 80
    assert not any(line.endswith(" ") for line in (first, *rest))


def test_cells_are_as_wide_as_the_columns():
    """A word that fills its column stays, and a longer one is broken."""
    sizes = (128, 128), (64, 64)
    full = AntialiasRow("l" * 26, "k" * 17, *sizes, "replaced", "r" * 25)
    assert _lines(full)[4:-2] == [f"{'l' * 26} {'k' * 17} 128->64   {'r' * 25}"]
    more = AntialiasRow("l" * 27, "k" * 18, *sizes, "replaced", "r" * 26)
    assert _lines(more)[5:-2] == [f"l{' ' * 26}k{' ' * 27}r"]
    title = str(AntialiasReport("n" * 99, (), None, None)).splitlines()[0]
    assert title == f"Anti-aliasing of {'n' * 63}"


def test_what_cannot_be_counted_is_not_told():
    assert _lines(REFUSED, LEFT)[-1] == (
        "0 anti-aliased (strides 1 now, the blur subsamples), 2 left as they "
        "are."
    )
    assert "Multiply-adds" not in "".join(_lines(STEM))


def test_a_model_without_down_sampling():
    assert _lines(before=1000, after=1000) == [
        "Anti-aliasing of net",
        "",
        *HEAD,
        "No 2-D down-sampling layer was found.",
        "",
        "0 anti-aliased (strides 1 now, the blur subsamples), 0 left as they "
        "are.",
        "Multiply-adds of one image: 1,000 -> 1,000 (x 1.00).",
    ]


def test_the_report_is_a_record():
    report = AntialiasReport("net", (LEFT,), 10, 20)
    assert report.to_dict() == {
        "model": "net",
        "rows": (
            {
                "layer": "resize",
                "kind": "Resizing",
                "input_size": (9, 12),
                "output_size": (None, None),
                "action": "left",
                "reason": "no rewrite",
                "blur": None,
            },
        ),
        "multiply_adds_before": 10,
        "multiply_adds_after": 20,
    }
    with pytest.raises(dataclasses.FrozenInstanceError):
        report.model = "other"
    with pytest.raises(dataclasses.FrozenInstanceError):
        report.rows[0].action = "done"
