import base64
import copy
import html.parser
import re

import numpy as np
import pytest
from PIL import Image
from sklearn import metrics

from kerastl import apps
from kerastl.apps.report.write_report import balanced_accuracy
from kerastl.apps.report.write_report import class_scores


class Page(html.parser.HTMLParser):
    """Collects what a browser would load, show and leave unclosed."""

    _EMPTY = {"meta", "img", "br", "link", "input"}

    def __init__(self):
        super().__init__()
        self.loads, self.text, self.open = [], [], []
        self.sections = set()

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        for name in ("src", "href", "xlink:href", "action", "data"):
            if name in attributes:
                self.loads.append(attributes[name])
        if tag == "section":
            self.sections.add(attributes["id"])
        if tag not in self._EMPTY:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in self._EMPTY:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


REPORT = {
    "title": "shoes <b>& hats</b>",
    "created": "2025-01-02 03:04",
    "summary": {
        "text": "A network was trained.",
        "headline": [
            {
                "label": "Accuracy",
                "before": 0.25,
                "after": 0.8125,
                "unit": "percent",
            }
        ],
    },
    "history": {
        "epoch": [1, 2],
        "loss": [2.0, 1.0],
        "val_loss": [2.5, 1.5],
        "accuracy": [0.5, 0.75],
        "pixel_level": [0.4, 0.3],
    },
    "measures": {
        "note": "What moved.",
        "rows": [
            {"label": "Before", "accuracy": 0.25, "consistency": 0.5},
            {"label": "After", "accuracy": 0.8125, "consistency": 0.9375},
        ],
    },
    "exports": [
        {
            "file": "model_int8.tflite",
            "size_bytes": 123_904,
            "accuracy": 0.8,
            "accuracy_drop": 0.0125,
            "top1_agreement": 0.984,
            "max_abs_difference": 0.0713,
            "latency_ms": 0.345,
        }
    ],
    "evaluated_on": "16 test images",
    "threads": 1,
    "confusion": {
        "class_names": ["hats", "shoes"],
        "matrix": [[7, 1], [2, 6]],
    },
    "antialias": {
        "rows": [
            {
                "layer": "conv_1",
                "kind": "Conv2D 3x3 /2",
                "input_size": [16, 16],
                "output_size": [8, 8],
                "action": "blur after",
                "reason": "blur 3 after relu_1",
                "blur": "conv_1_blur",
            },
            {
                "layer": "stem",
                "kind": "Conv2D 3x3 /2",
                "input_size": [None, None],
                "output_size": [None, None],
                "action": "left",
                "reason": "stem=False",
                "blur": None,
            },
        ],
        "multiply_adds_before": 4_000_000,
        "multiply_adds_after": 6_000_000,
    },
    "examples": [
        {
            "image": "examples/00.png",
            "side": 16,
            "label": "hats",
            "prediction": "shoes",
            "confidence": 0.677,
            "correct": False,
        }
    ],
    "data": {
        "note": "16 px, 2 classes.",
        "splits": ["train", "test"],
        "classes": {
            "hats": {"train": 31, "test": 8},
            "shoes": {"train": 37, "test": 8},
        },
        "totals": {"train": 68, "test": 16},
        "skipped": [["hats/broken.jpg", "it is cut short"]],
    },
    "settings": {"preset": "resnet8", "exports": ["tflite:int8"], "stem": True},
    "versions": {"kerastl": "9.8.7", "keras": "3.15.1"},
}


_OF_EXPORTS = ("exports", "evaluated_on", "threads")
LEAST = {
    name: REPORT[name]
    for name in ("title", "created", "summary", "settings", "versions")
}


@pytest.fixture
def render(tmp_path):
    (tmp_path / "examples").mkdir()
    pixels = np.zeros((16, 16, 3), "uint8")
    Image.fromarray(pixels).save(tmp_path / "examples" / "00.png")

    def render(report):
        path = apps.write_report(report, tmp_path / "report.html")
        source = path.read_text(encoding="utf-8")
        page = Page()
        page.feed(source)
        return source, page

    return render


def test_shows_every_figure(render):
    _, page = render(REPORT)
    text = re.sub(r"\s+", " ", " ".join(page.text))
    for figure in (
        "81.2 %",
        "25.0 %",
        "93.8 %",
        "124 kB",
        "1.2",
        "98.4 %",
        "0.071",
        "0.34 ms",
        "4.0 million",
        "6.0 million",
        "1.50 ×",
        "1 of 2",
        "68",
        "hats/broken.jpg",
        "it is cut short",
        "67.7 %",
        "16 test images",
        "tflite:int8",
        "9.8.7",
    ):
        assert figure in text, figure


def test_is_whole_and_loads_nothing(render):
    source, page = render(REPORT)
    assert page.open == []
    assert page.loads
    assert all(
        link == "data:," or link.startswith(("data:image/", "#"))
        for link in page.loads
    )
    assert "url(http" not in source
    assert "@import" not in source
    names = {"http://www.w3.org/1999/xlink", "http://www.w3.org/2000/svg"}
    assert set(re.findall(r"https?://[^\s\"'<>)]+", source)) <= names


def test_text_from_outside_is_escaped(render):
    source, _ = render(REPORT)
    assert "shoes &lt;b&gt;&amp; hats&lt;/b&gt;" in source
    assert "<b>" not in source


def test_is_the_same_every_time(render):
    assert render(REPORT)[0] == render(copy.deepcopy(REPORT))[0]


def test_sections_follow_the_figures(render):
    _, page = render(REPORT)
    assert page.sections == {
        "curves",
        "shift",
        "exports",
        "confusion",
        "examples",
        "antialias",
        "data",
        "settings",
    }
    _, page = render(LEAST)
    assert page.sections == {"settings"}


def test_compares_methods(render):
    rows = [
        {"label": "plain", "accuracy": [0.5, 0.7], "consistency": [0.8, 0.8]},
        {"label": "new", "accuracy": [0.9], "consistency": [0.95]},
    ]
    report = {**REPORT, "comparison": {"note": "Two ways.", "rows": rows}}
    _, page = render(report)
    text = re.sub(r"\s+", " ", " ".join(page.text))
    assert "comparison" in page.sections
    # Standard deviation of a sample: sqrt(0.02).
    assert "60.0 ± 14.1 %" in text
    assert "95.0 %" in text


def test_blurs_in_kernels_are_told_apart(render):
    first, second = REPORT["antialias"]["rows"]
    first = {**first, "action": "in kernel", "reason": "blur 3 in its kernel"}
    rows = [first, second]
    _, page = render(
        {**REPORT, "antialias": {**REPORT["antialias"], "rows": rows}}
    )
    text = " ".join(page.text)
    assert "1 of 2 down-sampling layers were rewritten: 1 of them as a" in (
        " ".join(text.split())
    )


def test_many_classes_are_numbered_and_named_once(render):
    names = [f"class number {index}" for index in range(81)]
    confusion = {
        "class_names": names,
        "matrix": np.eye(81, dtype=int).tolist(),
    }
    report = {**LEAST, "evaluated_on": "9 images"}
    source, page = render({**report, "confusion": confusion})
    assert "No image was confused." in " ".join(page.text)
    legend = re.search('<ol class="legend">(.*?)</ol>', source, re.DOTALL)[1]
    assert re.findall("<li>(.*?)</li>", legend) == names
    source, _ = render({**report, "confusion": REPORT["confusion"]})
    assert '<ol class="legend">' not in source


def test_unknown_costs_are_left_out(render):
    costs = dict.fromkeys(("multiply_adds_before", "multiply_adds_after"))
    _, page = render({**LEAST, "antialias": {**REPORT["antialias"], **costs}})
    assert "Multiply-adds" not in " ".join(page.text)


def test_the_keras_model_is_timed_too(render):
    reference = {
        **REPORT["exports"][0],
        "file": "model.keras",
        "accuracy_drop": None,
        "latency_ms": 7.891,
    }
    report = {name: REPORT[name] for name in (*LEAST, *_OF_EXPORTS)}
    _, page = render({**report, "reference": reference})
    assert "7.89 ms" in page.text


def test_beside_a_wrong_image_is_what_misled_the_network(render, tmp_path):
    pixels = np.full((16, 16, 3), 200, "uint8")
    Image.fromarray(pixels).save(tmp_path / "examples" / "00_map.png")
    [example] = REPORT["examples"]
    example = {
        **example,
        "file": "test/hats/<1>.jpg",
        "map": "examples/00_map.png",
    }
    maps = {"places": [3, 4]}
    source, page = render({**LEAST, "examples": [example], "maps": maps})
    pictures = re.findall('<img src="([^"]*)"[^>]*alt="(.*?)">', source)
    assert [text for _, text in pictures] == ["hats", "What spoke for shoes"]
    for (picture, _), name in zip(pictures, ("00", "00_map"), strict=True):
        content = (tmp_path / "examples" / f"{name}.png").read_bytes()
        assert picture == (
            "data:image/png;base64," + base64.b64encode(content).decode()
        )
    text = " ".join(" ".join(page.text).split())
    assert "3 × 4 places" in text and "test/hats/<1>.jpg" in text

    why = {"why_not": "There is no map."}
    examples = REPORT["examples"]
    _, page = render({**LEAST, "examples": examples, "maps": why})
    assert "There is no map." in " ".join(page.text)


def test_what_is_wider_than_a_phone_is_named_and_reached_by_keyboard(render):
    source, _ = render(REPORT)
    assert source.count("<table>") == source.count('class="scroll"') == 7
    for label in ("Files", "Every class", "Files skipped"):
        assert (
            '<div class="scroll" tabindex="0" role="region" '
            f'aria-label="{label}"><table>'
        ) in source


def test_plots_follow_the_page_and_say_their_figures(render):
    source, _ = render(REPORT)
    plots = re.findall("<svg.*?</svg>", source, re.DOTALL)
    assert len(plots) == 7
    for plot in plots:
        assert re.search('role="img" aria-label="[^"]*[0-9]', plot)
        assert "var(--ink)" in plot
        assert not re.search("(fill|stroke): #", plot)


MATRIX = [[8, 1, 1, 0], [0, 3, 2, 0], [0, 0, 0, 0], [1, 0, 0, 0]]


def test_scores_are_those_of_scikit_learn():
    true = [t for t, row in enumerate(MATRIX) for n in row for _ in range(n)]
    said = [p for row in MATRIX for p, n in enumerate(row) for _ in range(n)]
    found = class_scores({"class_names": list("abcd"), "matrix": MATRIX})
    assert [row["name"] for row in found] == list("abcd")
    assert [row["images"] for row in found] == [10, 5, 0, 1]
    expected = metrics.precision_recall_fscore_support(
        true, said, labels=range(4), zero_division=0
    )
    for name, values in zip(
        ("precision", "recall", "f1"), expected[:3], strict=True
    ):
        assert [row[name] or 0 for row in found] == pytest.approx(list(values))
    # Where nothing was, or was said to be, there is no number.
    assert found[2]["recall"] is None
    assert found[3]["precision"] is None
    assert found[3]["f1"] == 0
    assert balanced_accuracy(found) == pytest.approx((0.8 + 0.6 + 0) / 3)


def test_nothing_was_measured():
    assert class_scores(None) == []
    assert balanced_accuracy([]) is None
    alone = class_scores({"class_names": ["a"], "matrix": [[0]]})
    assert alone[0]["f1"] is None


def test_a_training_that_made_it_worse_is_told(tmp_path):
    report = copy.deepcopy(REPORT) | {"examples": []}
    apps.write_report(report, tmp_path / "better.html")
    report["measures"]["rows"][0]["accuracy"] = 1.0
    report["measures"]["rows"][1]["accuracy"] = 0.5
    apps.write_report(report, tmp_path / "worse.html")
    said = "The training made it worse: 50.0"
    assert said not in (tmp_path / "better.html").read_text()
    assert said in (tmp_path / "worse.html").read_text().replace("\xa0", " ")
