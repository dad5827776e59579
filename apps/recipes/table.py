"""The table of recipes."""

from kerastl.apps.recipes import baseline_rows
from kerastl.apps.recipes import compression_rows
from kerastl.apps.recipes import consistency_rows
from kerastl.apps.recipes import feature_rows
from kerastl.apps.recipes import gate_rows
from kerastl.apps.recipes import head_rows
from kerastl.apps.recipes import label_rows
from kerastl.apps.recipes import layer_rows
from kerastl.apps.recipes import optimizer_rows
from kerastl.apps.recipes import output_rows
from kerastl.apps.recipes import schedule_rows

_GROUPS = [
    baseline_rows,
    feature_rows,
    schedule_rows,
    gate_rows,
    head_rows,
    output_rows,
    consistency_rows,
    label_rows,
    layer_rows,
    optimizer_rows,
    compression_rows,
]

RECIPES = {recipe.name: recipe for group in _GROUPS for recipe in group.ROWS}
#: What each recipe is for: the heading that it stands under.
PURPOSES = {
    recipe.name: group.PURPOSE for group in _GROUPS for recipe in group.ROWS
}
