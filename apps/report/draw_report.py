"""All plots of a report, by the names that its sections call them."""

from kerastl.apps.report import figures
from kerastl.apps.report import heat_maps
from kerastl.apps.report import plots
from kerastl.apps.report.drawing import as_svg
from kerastl.apps.report.drawing import blues
from kerastl.apps.report.drawing import in_page
from kerastl.apps.report.drawing import in_style
from kerastl.apps.report.drawing import panel
from kerastl.apps.report.drawing import shorten
from kerastl.apps.report.plots import plot_curves

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


# More rows than this have no room for their names.
_MAX_NAMED_CLASSES = 40


def plot_pseudo_labels(epochs, class_names):
    """Draws what was believed, epoch by epoch.

    Args:
        epochs: List of dicts, as `PseudoLabelHistory.epochs`.
        class_names: Names of the classes.

    Returns:
        List of SVGs as strings: shares over the epochs, and the classes that
        the labels were of.
    """
    curves = {"believed": [_share(each) for each in epochs]}
    if epochs[-1].get("validation_images"):
        curves["right, of validation photos it would believe"] = [
            _right(each) for each in epochs
        ]
    numbers = [each["epoch"] for each in epochs]
    shares = plot_curves(numbers, curves, "Pseudo-labels", percent=True)
    return [shares, _plot_classes(epochs, class_names)]


def _share(epoch):
    return sum(epoch["believed"]) / epoch["images"]


def _right(epoch):
    """NaN, a gap in the curve, where nothing was believed."""
    sure = sum(epoch["validation_believed"])
    return sum(epoch["validation_right"]) / sure if sure else float("nan")


@in_style
def _plot_classes(epochs, class_names):
    import numpy as np

    shares = 100 * np.array(
        [np.array(each["believed"]) / each["images"] for each in epochs]
    )
    count = len(class_names)
    height = min(1.1 + 0.26 * count, 8)
    figure, axes = panel(4.6, height)
    picture = axes.imshow(
        shares.T,
        cmap=blues(),
        vmin=0,
        vmax=max(shares.max(), 1e-9),
        aspect="auto",
        extent=(0.5, len(epochs) + 0.5, count - 0.5, -0.5),
    )
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.tick_params(length=0)
    axes.set_xlabel("epoch")
    axes.xaxis.get_major_locator().set_params(integer=True)
    if count <= _MAX_NAMED_CLASSES:
        axes.set_yticks(range(count), [shorten(name) for name in class_names])
    else:
        axes.set_yticks([])
        axes.set_ylabel(f"{count} classes, in their order")
    axes.set_title("Believed, by the class that was said", loc="left")
    bar = figure.colorbar(picture, ax=axes, format="{x:g} %", pad=0.02)
    bar.outline.set_visible(False)
    bar.ax.tick_params(length=0)
    told = (
        f"{name} {figures.percent(count / epochs[-1]['images'])}"
        for name, count in zip(class_names, epochs[-1]["believed"], strict=True)
    )
    return as_svg(
        figure,
        "Believed pseudo-labels by class and epoch. In the last one: "
        f"{', '.join(told)}.",
    )
