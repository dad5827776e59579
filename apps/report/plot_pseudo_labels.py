"""The plots of labels that a network gave itself."""

from kerastl.apps.report import figures
from kerastl.apps.report.drawing import as_svg
from kerastl.apps.report.drawing import blues
from kerastl.apps.report.drawing import in_style
from kerastl.apps.report.drawing import panel
from kerastl.apps.report.drawing import shorten
from kerastl.apps.report.plots import plot_curves

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
