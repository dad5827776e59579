"""The report of a run as one HTML page that needs nothing beside it."""

import base64
import pathlib
from typing import Any

from kerastl.apps.report import figures
from kerastl.apps.report.code_snippets import code_snippets
from kerastl.apps.report.describe_results import describe_confidence
from kerastl.apps.report.describe_results import describe_origins
from kerastl.apps.report.describe_results import describe_pseudo_labels
from kerastl.apps.report.describe_results import describe_worsening
from kerastl.apps.report.describe_results import shipped_rows
from kerastl.apps.report.draw_report import draw_report
from kerastl.apps.report.heat_maps import MOST_NAMED
from kerastl.arguments import checked_path
from kerastl.export.utils.atomic_write import staged_file
from kerastl.types import PathLike

_FOLDER = pathlib.Path(__file__).parent
_STYLES = (_FOLDER / "page.css", _FOLDER / "report.css")

# Pictures smaller than this are shown with hard pixel edges.
_TINY_SIDE = 64


def write_report(
    report: dict[str, Any], path: PathLike, folder: PathLike | None = None
) -> pathlib.Path:
    """Writes the report as a self-contained HTML page.

    Args:
        report: Dict as in a run folder's `report.json`.
        path: File to write; replaced if it exists.
        folder: Folder that the example images' paths are relative to.
            Defaults to the folder of `path`.

    Returns:
        The path as a `pathlib.Path`.

    Example:

    ```python
    import json
    from kerastl import apps

    report = json.load(open("runs/clothing/report.json"))
    apps.write_report(report, "runs/clothing/report.html")
    ```
    """
    import jinja2
    from markupsafe import Markup

    path = checked_path("path", path)
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader([_FOLDER, _FOLDER / "sections"]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
    )
    environment.filters.update(
        percent=_unbroken(figures.percent),
        spread=_unbroken(figures.spread),
        points_changed=figures.change,
        size=figures.size,
        decimal=figures.decimal,
        milliseconds=figures.milliseconds,
        level=figures.level,
        cosine=figures.cosine,
        millions=figures.millions,
        times=figures.times,
        grid=_grid,
        words=_words,
        setting=figures.setting,
        headline=_headline,
        change=_change,
    )
    rows = (report.get("antialias") or {}).get("rows", ())
    scores = class_scores(report.get("confusion"))
    html = environment.get_template("report.html").render(
        report={**_EMPTY, **report},
        # Quotes of a style are its own, and no text to be escaped.
        style=Markup("\n".join(each.read_text("utf-8") for each in _STYLES)),
        plots=draw_report(report),
        most_named=MOST_NAMED,
        snippets=code_snippets(report),
        shipped=shipped_rows(report),
        origins=describe_origins(report),
        taught_itself=_taught_itself(report),
        worsening=describe_worsening(report),
        confidence=describe_confidence(report),
        worst=_worst_confusions(report.get("confusion")),
        classes=scores,
        balanced=balanced_accuracy(scores),
        examples=_examples(
            report.get("examples", ()), pathlib.Path(folder or path.parent)
        ),
        rewritten=sum(row.get("blur") is not None for row in rows),
        in_kernel=sum(row.get("action") == "in kernel" for row in rows),
        brought=all(row.get("action") == "done" for row in rows) and len(rows),
    )
    with staged_file(path, path.suffix, overwrite=True) as temporary:
        temporary.write_text(html, encoding="utf-8", errors="backslashreplace")
    return path


_EMPTY = dict.fromkeys(
    (
        "comparison",
        "history",
        "pseudo_labels",
        "compared",
        "confidence",
        "measures",
        "exports",
        "reference",
        "aware",
        "confusion",
        "diagnosis",
        "examples",
        "maps",
        "antialias",
        "similarity",
        "data",
    )
)


def _taught_itself(report):
    epochs = report.get("pseudo_labels")
    if not epochs:
        return ""
    return describe_pseudo_labels(epochs, report["confusion"]["class_names"])


def _worst_confusions(confusion, limit=8):
    if not confusion:
        return []
    names = confusion["class_names"]
    cells = [
        {"true": names[row], "predicted": names[column], "count": count}
        for row, counts in enumerate(confusion["matrix"])
        for column, count in enumerate(counts)
        if row != column and count
    ]
    return sorted(cells, key=lambda cell: -cell["count"])[:limit]


def _examples(examples, folder):
    return [
        {
            "file": None,
            **example,
            "source": _inline(folder / example["image"]),
            "map": "map" in example and _inline(folder / example["map"]),
            "tiny": example.get("side", _TINY_SIDE) < _TINY_SIDE,
        }
        for example in examples
    ]


def _inline(path):
    kind = "png" if path.suffix == ".png" else "jpeg"
    encoded = base64.b64encode(path.read_bytes()).decode("ascii")
    return f"data:image/{kind};base64,{encoded}"


def _unbroken(write):
    """Keeps a figure and its unit on one line."""
    return lambda value: write(value).replace(" ", "\N{NO-BREAK SPACE}")


def _grid(size):
    if isinstance(size, list | tuple):
        return " × ".join(
            figures.NOTHING if each is None else str(each) for each in size
        )
    return str(size)


def _words(name):
    return name.replace("_", " ")


_UNITS = {
    "percent": figures.percent,
    "bytes": figures.size,
    "milliseconds": figures.milliseconds,
}


def _headline(item):
    return _UNITS[item["unit"]](item["after"])


def _change(item):
    if item.get("before") is None:
        return item.get("note", "")
    before = _unbroken(_UNITS[item["unit"]])(item["before"])
    return f"{item.get('note', 'before')} {before}"


def class_scores(confusion):
    """Precision, recall and F1 of every class.

    Args:
        confusion: Dict of `class_names` and `matrix`, whose rows are the true
            classes and whose columns the predicted ones; or `None`.

    Returns:
        List of dicts in the order of the classes: `name`, `images`, and
        `precision`, `recall` and `f1` from 0 to 1. What would divide by zero
        is `None`: the precision of a class that is never predicted, the recall
        of one without images, the F1 of one with neither.
    """
    if not confusion:
        return []
    matrix = confusion["matrix"]
    rows = []
    for place, name in enumerate(confusion["class_names"]):
        right = matrix[place][place]
        images = sum(matrix[place])
        predicted = sum(row[place] for row in matrix)
        rows.append(
            {
                "name": name,
                "images": images,
                "precision": right / predicted if predicted else None,
                "recall": right / images if images else None,
                "f1": 2 * right / (images + predicted)
                if images + predicted
                else None,
            }
        )
    return rows


def balanced_accuracy(scores):
    """The mean recall of the classes that have images.

    Args:
        scores: What `class_scores` returns.
    """
    recalls = [row["recall"] for row in scores if row["recall"] is not None]
    return sum(recalls) / len(recalls) if recalls else None
