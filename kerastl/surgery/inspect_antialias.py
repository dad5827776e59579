"""Shows what anti-aliasing would do to a model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING
from typing import Literal

from kerastl.surgery import graph as graphs
from kerastl.surgery.antialias_plan import plan_antialias
from kerastl.surgery.antialias_report import AntialiasReport
from kerastl.surgery.count_multiply_adds import count_multiply_adds
from kerastl.surgery.count_multiply_adds import has_multiply_adds
from kerastl.surgery.count_multiply_adds import sizes_are_known

if TYPE_CHECKING:
    import keras


def inspect_antialias(
    model: keras.Model,
    kernel_size: int = 3,
    padding: Literal["reflect", "edge", "zeros"] = "reflect",
    stem: bool = True,
    exclude: Sequence[str] = (),
    place: Literal["after", "kernel"] = "after",
) -> AntialiasReport:
    """Reports what `kerastl.antialias` does to each down-sampling layer.

    Nothing is built, so it is quick, and it also works where `antialias`
    refuses: print the report to see which layer stands in the way.

    Args:
        model: as for `kerastl.antialias`, and so are `kernel_size`, `padding`,
            `stem`, `exclude` and `place`.

    Returns:
        An `AntialiasReport`: `rows`, the multiply-adds of one image before and
        after, `str()` for a table, `to_dict()` for JSON.

    Raises:
        ValueError: if an argument is out of range or the model is subclassed.

    Example:

    >>> model = keras.Sequential(
    ...     [keras.Input((8, 8, 3)), keras.layers.MaxPooling2D(name="pool")]
    ... )
    >>> kerastl.inspect_antialias(model).rows[0].blur
    'pool_blur'
    """
    plan = plan_antialias(model, kernel_size, padding, stem, exclude, place)
    nodes = [node for _, node in graphs.walk(model)]
    before = after = None
    if all(
        sizes_are_known(node)
        for node in nodes
        if node.key in plan.costs or has_multiply_adds(node.operation)
    ):
        before = count_multiply_adds(model)
        after = before + sum(plan.costs.get(node.key, 0) for node in nodes)
    return AntialiasReport(model.name, tuple(plan.rows), before, after)
