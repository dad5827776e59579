"""All plots of a report, by the names that its sections call them."""

from kerastl.apps.report import heat_maps
from kerastl.apps.report import plots
from kerastl.apps.report.drawing import in_page
from kerastl.apps.report.plot_pseudo_labels import plot_pseudo_labels

_METRICS = (("accuracy", "Accuracy"), ("consistency", "Shift consistency"))


def draw_report(report):
    """Draws what a report has figures for.

    Args:
        report: Dict as in a run folder's `report.json`.

    Returns:
        Dict from a name to markup, or to a list of it.
    """
    from markupsafe import Markup

    drawn = {}
    for make in (
        _history,
        _pseudo_labels,
        _confusion,
        _similarity,
        _diagnosis,
        _measures,
        _comparison,
    ):
        drawn |= make(report)
    return {
        name: [Markup(in_page(each)) for each in value]
        if isinstance(value, list)
        else Markup(in_page(value))
        for name, value in drawn.items()
    }


def _history(report):
    drawn = {}
    if report.get("history"):
        drawn["curves"] = _curves(report["history"])
    if report.get("aware"):
        drawn["aware_curves"] = _curves(report["aware"]["history"])
    return drawn


def _pseudo_labels(report):
    epochs = report.get("pseudo_labels")
    if not epochs:
        return {}
    names = report["confusion"]["class_names"]
    return {"pseudo_labels": plot_pseudo_labels(epochs, names)}


def _confusion(report):
    found = report.get("confusion")
    if not found:
        return {}
    picture = heat_maps.plot_confusion(found["matrix"], found["class_names"])
    return {"confusion": picture}


def _similarity(report):
    found = report.get("similarity")
    if not found:
        return {}
    return {
        "similarity": heat_maps.plot_similarity(
            found["matrix"], found["target_classes"], found["source_classes"]
        )
    }


def _diagnosis(report):
    found = report.get("diagnosis")
    if not found:
        return {}
    title = "Error of each layer"
    return {"diagnosis": plots.plot_layer_errors(found["layers"], title)}


def _measures(report):
    if not report.get("measures"):
        return {}
    rows = report["measures"]["rows"]
    before, after = rows[0], rows[-1]
    return {
        f"{metric}_before_after": plots.plot_before_after(
            [
                {
                    "label": "",
                    "before": before[metric],
                    "after": after[metric],
                }
            ],
            title,
        )
        for metric, title in _METRICS
    }


def _comparison(report):
    if not report.get("comparison"):
        return {}
    rows = report["comparison"]["rows"]
    return {
        f"comparison_{metric}": plots.plot_comparison(rows, metric, title)
        for metric, title in _METRICS
    }


def _curves(history):
    epochs = history["epoch"]
    terms = [
        name
        for name in history
        if name not in ("epoch", "loss", "accuracy")
        and not name.startswith(("val_", "learning_rate"))
        # Drawn with the pseudo-labels.
        and not name.endswith("_believed")
    ]
    # With transfer terms the two losses are not of the same kind.
    apart = bool(terms) and "val_loss" in history
    panels = []
    for name in ("loss", *terms, "accuracy"):
        curves = {"training": history[name]}
        if f"val_{name}" in history and not (apart and name == "loss"):
            curves["validation"] = history[f"val_{name}"]
        title = name.replace("_", " ").capitalize()
        panels.append(
            plots.plot_curves(epochs, curves, title, percent=name == "accuracy")
        )
    if apart:
        title = "Validation loss, labels alone"
        curves = {"validation": history["val_loss"]}
        panels.insert(1, plots.plot_curves(epochs, curves, title))
    return panels
