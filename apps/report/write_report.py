"""The report of a run as one HTML page that needs nothing beside it."""

import base64
import pathlib
from typing import Any

from kerastl.apps.report import figures
from kerastl.apps.report import plots
from kerastl.apps.report.class_scores import balanced_accuracy
from kerastl.apps.report.class_scores import class_scores
from kerastl.apps.report.describe_origins import describe_origins
from kerastl.apps.report.shipped_rows import shipped_rows
from kerastl.export.stage import staged_file
from kerastl.types import PathLike

_TEMPLATE = pathlib.Path(__file__).with_name("report.html")

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

    path = pathlib.Path(path)
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True
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
    template = environment.from_string(_TEMPLATE.read_text(encoding="utf-8"))
    scores = class_scores(report.get("confusion"))
    html = template.render(
        report={**_EMPTY, **report},
        plots=_draw(report),
        shipped=shipped_rows(report),
        origins=describe_origins(report),
        worst=_worst_confusions(report.get("confusion")),
        classes=scores,
        balanced=balanced_accuracy(scores),
        examples=_examples(
            report.get("examples", ()), pathlib.Path(folder or path.parent)
        ),
        rewritten=sum(row.get("blur") is not None for row in rows),
        in_kernel=sum(row.get("action") == "in kernel" for row in rows),
    )
    with staged_file(path, path.suffix, overwrite=True) as temporary:
        temporary.write_text(html, encoding="utf-8", errors="backslashreplace")
    return path


_EMPTY = dict.fromkeys(
    (
        "comparison",
        "history",
        "measures",
        "exports",
        "reference",
        "aware",
        "confusion",
        "diagnosis",
        "examples",
        "antialias",
        "similarity",
        "data",
    )
)


def _draw(report):
    from markupsafe import Markup

    drawn = {"curves": []}
    if report.get("history"):
        drawn["curves"] = _curves(report["history"])
    if report.get("aware"):
        drawn["aware_curves"] = _curves(report["aware"]["history"])
    if report.get("confusion"):
        drawn["confusion"] = plots.plot_confusion(
            report["confusion"]["matrix"], report["confusion"]["class_names"]
        )
    similarity = report.get("similarity")
    if similarity:
        drawn["similarity"] = plots.plot_similarity(
            similarity["matrix"],
            similarity["target_classes"],
            similarity["source_classes"],
        )
    if report.get("diagnosis"):
        drawn["diagnosis"] = plots.plot_layer_errors(
            report["diagnosis"]["layers"], "Error of each layer"
        )
    measures = report.get("measures")
    if measures:
        before, after = measures["rows"][0], measures["rows"][-1]
        for metric, title in (
            ("accuracy", "Accuracy"),
            ("consistency", "Shift consistency"),
        ):
            row = {
                "label": "",
                "before": before[metric],
                "after": after[metric],
            }
            drawn[f"{metric}_before_after"] = plots.plot_before_after(
                [row], title
            )
    comparison = report.get("comparison")
    if comparison:
        for metric, title in (
            ("accuracy", "Accuracy"),
            ("consistency", "Shift consistency"),
        ):
            drawn[f"comparison_{metric}"] = plots.plot_comparison(
                comparison["rows"], metric, title
            )
    return {
        name: [Markup(each) for each in value]
        if isinstance(value, list)
        else Markup(value)
        for name, value in drawn.items()
    }


def _curves(history):
    epochs = history["epoch"]
    terms = [
        name
        for name in history
        if name not in ("epoch", "loss", "accuracy")
        and not name.startswith(("val_", "learning_rate"))
    ]
    # With transfer terms the two losses are not of the same kind.
    apart = bool(terms) and "val_loss" in history
    panels = []
    for name in ("loss", *terms, "accuracy"):
        curves = {"training": history[name]}
        if f"val_{name}" in history and not (apart and name == "loss"):
            curves["validation"] = history[f"val_{name}"]
        title = _words(name).capitalize()
        panels.append(
            plots.plot_curves(epochs, curves, title, percent=name == "accuracy")
        )
    if apart:
        title = "Validation loss, labels alone"
        curves = {"validation": history["val_loss"]}
        panels.insert(1, plots.plot_curves(epochs, curves, title))
    return panels


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
    shown = [
        {
            **example,
            "source": _inline(folder / example["image"]),
            "tiny": example.get("side", _TINY_SIDE) < _TINY_SIDE,
        }
        for example in examples
    ]
    if not shown:
        return []
    return [
        ("Correct", [each for each in shown if each["correct"]]),
        ("Wrong", [each for each in shown if not each["correct"]]),
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
