"""The table of recipes, and how one or several are taken from it."""

import dataclasses

from kerastl.apps.recipes.course_rows import COMPRESSION_ROWS
from kerastl.apps.recipes.course_rows import OPTIMIZER_ROWS
from kerastl.apps.recipes.course_rows import OUTPUT_ROWS
from kerastl.apps.recipes.course_rows import SCHEDULE_ROWS
from kerastl.apps.recipes.layer_rows import GATE_ROWS
from kerastl.apps.recipes.layer_rows import LAYER_ROWS
from kerastl.apps.recipes.recipe import Recipe
from kerastl.apps.recipes.signal_rows import EXAMPLE_ROWS
from kerastl.apps.recipes.signal_rows import FEATURE_ROWS
from kerastl.apps.recipes.start_rows import BASELINE_ROWS
from kerastl.apps.recipes.start_rows import CONSISTENCY_ROWS
from kerastl.apps.recipes.start_rows import HEAD_ROWS
from kerastl.arguments import unknown_name_error

# In the order in which a user would look.
_GROUPS = {
    "To begin with, and to compare with": BASELINE_ROWS,
    "To start the classifier better": HEAD_ROWS,
    "To learn from photos without labels, too": CONSISTENCY_ROWS,
    "To keep the source's features, or to let go of them": FEATURE_ROWS,
    "To learn from other labels or images, or from fewer": EXAMPLE_ROWS,
    "To train with other layers in the network": LAYER_ROWS,
    "To take other steps": OPTIMIZER_ROWS,
    "To start anew on the way": SCHEDULE_ROWS,
    "To choose for every image what is tuned": GATE_ROWS,
    "To learn from a second classifier": OUTPUT_ROWS,
    "To make the network smaller": COMPRESSION_ROWS,
}

RECIPES = {recipe.name: recipe for rows in _GROUPS.values() for recipe in rows}
#: What each recipe is for: the heading that it stands under.
PURPOSES = {
    recipe.name: purpose for purpose, rows in _GROUPS.items() for recipe in rows
}

# Stands for the one that the photos ask for: no recipe, but known by name.
AUTO = "auto"

# What says which method it is; a joined one says it anew.
_OWN = (
    *("name", "title", "paper", "summary", "where", "passes", "cost", "exact"),
    "differs",
)
_JOINED = (
    "transfer_losses",
    "callbacks",
    "surgery",
    "finish",
    "dataset",
    "adapt_optimizer",
    "conflicts",
)


def get_recipe(name: str) -> Recipe:
    """Returns the recipe of that name, or of several joined by `+`.

    Joined recipes add up: all their surgery, loss terms and callbacks, in the
    order of their names (surgery that takes channels out comes last), the
    regularizer of the one that has one, a source if one needs it.

    Args:
        name: A key of `apps.RECIPES`, such as `"ktft"`, or keys joined by
            `+`, such as `"ktft+l2_sp"`.

    Raises:
        ValueError: If a name is not there (the message has the nearest), or
            if the recipes cannot be joined.

    Example:

    ```python
    kerastl.apps.get_recipe("ktft+l2_sp").uses_source  # True
    ```
    """
    names = [part.strip() for part in str(name).split("+")]
    for part in names:
        if part == AUTO:
            raise ValueError(
                f"'{AUTO}' is no method, but has one chosen by the photos. "
                "Pass it alone to `apps.fine_tune` (kerastl finetune), see "
                "which it would be with `apps.choose` (kerastl choose), or "
                f"name the methods. Received: method={name!r}"
            )
        if part not in RECIPES:
            raise unknown_name_error("method", part, [*RECIPES, AUTO], name)
    rows = [RECIPES[part] for part in dict.fromkeys(names)]
    return rows[0] if len(rows) == 1 else _join(rows)


def _join(rows):
    names = "+".join(row.name for row in rows)
    for row in rows:
        if not row.trains or row.trainable != "all":
            raise ValueError(
                f"'{row.name}' does not train the whole network, so no other "
                f"method can be added to it. Received: method={names!r}"
            )
    for what, having in {
        "regularizer of the weights": [
            row.name for row in rows if row.regularizer is not None
        ],
        "method that leaves images out": [
            row.name for row in rows if row.hides_samples
        ],
        # Shorter epochs have a learning rate of their own.
        "method that sets the learning rate": [
            row.name for row in rows if row.hides_samples or row.rates_by_layer
        ],
    }.items():
        if len(having) > 1:
            raise ValueError(
                f"Only one {what} can be used at a time, "
                f"{' and '.join(having)} are two. "
                f"Received: method={names!r}"
            )
    merged = {
        field.name: _only_change(rows, field, names)
        for field in dataclasses.fields(Recipe)
        if field.name not in _OWN and field.name not in _JOINED
    }
    # A head that is made from the source's has as many channels to read.
    ordered = sorted(rows, key=lambda row: row.narrows)
    return Recipe(
        name=names,
        title=" + ".join(row.title for row in rows),
        paper="; ".join(dict.fromkeys(row.paper for row in rows)),
        summary="; ".join(row.summary for row in rows),
        where=tuple(dict.fromkeys(each for row in rows for each in row.where)),
        transfer_losses=_all_of(row.transfer_losses for row in rows),
        callbacks=_all_of(row.callbacks for row in rows),
        surgery=_one_after_another(row.surgery for row in ordered),
        # What was put in last is taken out first.
        finish=_one_after_another(row.finish for row in reversed(ordered)),
        dataset=_through_all(row.dataset for row in rows),
        adapt_optimizer=_through_all(row.adapt_optimizer for row in rows),
        passes=tuple(map(sum, zip(*(row.passes for row in rows), strict=True))),
        conflicts=tuple(each for row in rows for each in row.conflicts),
        exact=(
            "exact" if all(row.exact == "exact" for row in rows) else "assumed"
        ),
        differs="; ".join(
            f"{row.name}: {row.differs}" for row in rows if row.differs
        )
        or None,
        **merged,
    )


def _only_change(rows, field, names):
    """Returns the value that differs from the default, if any does."""
    changed = {
        getattr(row, field.name)
        for row in rows
        if getattr(row, field.name) != field.default
    }
    if len(changed) > 1:
        raise ValueError(
            f"The methods want different values of `{field.name}`: "
            f"{sorted(map(str, changed))}. Use them one at a time. "
            f"Received: method={names!r}"
        )
    return changed.pop() if changed else field.default


def _all_of(factories):
    factories = list(factories)

    def make(setting):
        return [item for factory in factories for item in factory(setting)]

    return make


def _one_after_another(rewrites):
    rewrites = list(rewrites)

    def rewrite(setting):
        for each in rewrites:
            setting = dataclasses.replace(setting, student=each(setting))
        return setting.student

    return rewrite


def _through_all(changes):
    changes = list(changes)

    def change(setting, value):
        for each in changes:
            value = each(setting, value)
        return value

    return change
