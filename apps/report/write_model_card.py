"""The model card of a run: what a model is, does and costs, in Markdown."""

import html
import pathlib
import re
from typing import Any

from kerastl.apps.report import figures
from kerastl.apps.report.describe_results import describe_confidence
from kerastl.apps.report.describe_results import describe_origins
from kerastl.apps.report.describe_results import describe_pseudo_labels
from kerastl.apps.report.describe_results import describe_worsening
from kerastl.apps.report.describe_results import shipped_rows
from kerastl.apps.texts import literal
from kerastl.arguments import checked_path
from kerastl.export.utils.atomic_write import staged_file
from kerastl.types import PathLike

_MOST_CLASSES = 50


def write_model_card(report: dict[str, Any], path: PathLike) -> pathlib.Path:
    """Writes the model card of a run.

    Args:
        report: Dict as in a run folder's `report.json`.
        path: Markdown file to write; replaced if it exists.

    Returns:
        The path as a `pathlib.Path`.

    Example:

    ```python
    import json
    from kerastl import apps

    report = json.load(open("runs/clothing/report.json"))
    apps.write_model_card(report, "runs/clothing/MODEL_CARD.md")
    ```
    """
    path = checked_path("path", path)
    sections = (
        _introduction(report),
        _results(report),
        _classes(report),
        _files(report),
        _use(report),
        _data(report),
        _limits(report),
        _making(report),
    )
    text = "\n\n".join(section for section in sections if section)
    with staged_file(path, path.suffix, overwrite=True) as temporary:
        temporary.write_text(
            text + "\n", encoding="utf-8", errors="backslashreplace"
        )
    return path


def _introduction(report):
    names = report["confusion"]["class_names"]
    return (
        f"# {_plain(report['title'])}\n\n{report['summary']['text']}\n\n"
        f"It says which of {len(names)} classes a photo shows: "
        f"{', '.join(map(_plain, names))}."
    )


def _results(report):
    accuracy = report["reference"]["accuracy"]
    count = sum(map(sum, report["confusion"]["matrix"]))
    lines = [
        "## How good it is",
        "",
        f"{figures.percent(accuracy)} of {report['evaluated_on']} are "
        f"recognised (95 % interval {figures.interval(accuracy, count)}).",
    ]
    source = report.get("comparison") or report.get("measures")
    if source:
        spread = figures.spread if "comparison" in report else figures.percent
        rows = [
            (
                row["label"],
                spread(row["accuracy"]),
                spread(row["consistency"]),
            )
            for row in source["rows"]
        ]
        heads = ("network", ">accuracy", ">shift consistency")
        lines += ["", _table(heads, rows), "", source["note"]]
    for said in (describe_worsening(report), describe_confidence(report)):
        if said:
            lines += ["", said]
    if report.get("compared"):
        lines += ["", _plain(report["compared"]["text"])]
    if report.get("pseudo_labels"):
        names = report["confusion"]["class_names"]
        said = describe_pseudo_labels(report["pseudo_labels"], names)
        lines += ["", _plain(said)]
    return "\n".join(lines)


def _classes(report):
    names = report["confusion"]["class_names"]
    rows = []
    for index, counts in enumerate(report["confusion"]["matrix"]):
        total = sum(counts)
        if not total:
            continue
        others = [
            (count, names[place])
            for place, count in enumerate(counts)
            if place != index and count
        ]
        worst = f"{max(others)[1]} ({max(others)[0]})" if others else ""
        rows.append((counts[index] / total, names[index], total, worst))
    rows.sort()
    table = _table(
        ("class", ">images", ">recognised", "most often taken for"),
        [
            (name, total, figures.percent(share), worst)
            for share, name, total, worst in rows[:_MOST_CLASSES]
        ],
    )
    left = len(rows) - _MOST_CLASSES
    more = f"\n\nAnd {left} classes that are better." if left > 0 else ""
    return f"Class by class, the worst first:\n\n{table}{more}"


def _files(report):
    rows = shipped_rows(report)
    table = _table(
        ("file", ">size", ">accuracy", ">change", ">one image"),
        [
            (
                row["file"],
                figures.size(row["size_bytes"]),
                figures.percent(row["accuracy"]),
                figures.change(row["accuracy_drop"]),
                figures.milliseconds(row["latency_ms"]),
            )
            for row in rows
        ],
    )
    where = ""
    if report.get("exports"):
        row = report["exports"][0]
        where = (
            f"\n\nTimed on {row['processor']} with {row['threads']} "
            f"thread{'s' if row['threads'] > 1 else ''} (Keras takes all that "
            "there are); accuracy measured by running the files."
        )
    origins = describe_origins(report)
    made_of = f"\n\n{origins}" if origins else ""
    return f"## Files\n\n{table}{made_of}{where}"


def _use(report):
    lines = [
        "## How to use it",
        "",
        "Decode a photo to RGB, resize its short side and cut out the middle "
        "square. Feed values from 0 to 255: all other preprocessing is "
        "inside the model. Class names are inside the .tflite and .onnx files "
        "and in `labels.txt`.",
    ]
    rows = [
        (
            row["file"],
            _tensor(row["input"]),
            _tensor(row["output"]),
        )
        for row in report.get("exports", ())
    ]
    if rows:
        lines += ["", _table(("file", "input", "output"), rows)]
        file = rows[0][0]
    else:
        file = report["reference"]["file"]
    lines += ["", f"    kerastl predict {file} photo.jpg"]
    small = [name for name, *_ in rows if name.endswith(".tflite")]
    if small:
        lines += [
            "",
            "On a device without kerastl, with a copy of `predict.py` and "
            "`pip install ai-edge-litert numpy pillow`:",
            "",
            f"    python predict.py {small[0]} photo.jpg",
        ]
    return "\n".join(lines)


def _tensor(tensor):
    shape = " x ".join(str(size) for size in tensor["shape"])
    text = f"{tensor['dtype']} {shape}"
    if "scale" in tensor:
        text += (
            f", {tensor['scale']:.6g} * (value - {tensor['zero_point']})"
        ).replace("- -", "+ ")
    return text


def _data(report):
    data = report.get("data")
    if not data:
        return ""
    splits = data["splits"]
    rows = [
        (name, *(counts[split] for split in splits))
        for name, counts in data["classes"].items()
    ][:_MOST_CLASSES]
    rows.append(("all", *(data["totals"][split] for split in splits)))
    heads = ("class", *(f">{split}" for split in splits))
    left_out = "\n".join(
        f"- {group['count']} left out: {_plain(group['reason'])}"
        for group in data.get("left_out", ())
    )
    left_out = left_out and f"\n\n{left_out}"
    table = _table(heads, rows)
    return f"## Data\n\n{_plain(data['note'])}\n\n{table}{left_out}"


def _limits(report):
    count = sum(map(sum, report["confusion"]["matrix"]))
    lines = [
        "## Limits",
        "",
        "- It names one of its classes whatever the photo shows; a high "
        "score is no proof that the photo shows any of them.",
        f"- The figures come from {count} images of the same source as the "
        "training images. Other cameras, light and backgrounds were not "
        "measured.",
        "- What the pre-trained weights were made from, and under which "
        "licence, is not known to this card.",
    ]
    drops = [
        row
        for row in report.get("exports", ())
        if row["accuracy_drop"] is not None and row["accuracy_drop"] >= 0.02
    ]
    lines += [
        f"- `{row['file']}` loses {100 * row['accuracy_drop']:.1f} "
        "points against the Keras model."
        for row in drops
    ]
    return "\n".join(lines)


def _making(report):
    rows = [
        (name.replace("_", " "), figures.setting(value))
        for name, value in report.get("settings", {}).items()
    ]
    made = " ".join(
        f"{name} {version}," for name, version in report["versions"].items()
    ).rstrip(",")
    return (
        f"## How it was made\n\n{_table(('setting', 'value'), rows)}\n\n"
        f"Made {report['created']} with {made}."
    )


def _table(heads, rows):
    """Makes a Markdown table; headings that begin with > are of numbers."""
    rules = ("--:" if head.startswith(">") else "---" for head in heads)
    lines = [[head.lstrip(">") for head in heads], rules, *rows]
    return "\n".join(
        f"| {' | '.join(_plain(cell) for cell in cells)} |" for cells in lines
    )


def _plain(text):
    """Keeps names from being read as Markdown, HTML or a table's border."""
    text = html.escape(literal(text), quote=False)
    text = re.sub(r"([\\`*\[\]|~])", r"\\\1", text)
    # Inside a word an underscore is only that.
    return re.sub(r"(?<![^\W_])_|_(?![^\W_])", r"\\_", text)
