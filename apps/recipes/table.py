"""The table of recipes."""

from kerastl.apps.recipes import baseline_rows
from kerastl.apps.recipes import compression_rows
from kerastl.apps.recipes import consistency_rows
from kerastl.apps.recipes import example_rows
from kerastl.apps.recipes import feature_rows
from kerastl.apps.recipes import gate_rows
from kerastl.apps.recipes import head_rows
from kerastl.apps.recipes import layer_rows
from kerastl.apps.recipes import optimizer_rows
from kerastl.apps.recipes import output_rows
from kerastl.apps.recipes import schedule_rows

# In the order in which a user would look.
_GROUPS = [
    baseline_rows,
    head_rows,
    consistency_rows,
    feature_rows,
    example_rows,
    layer_rows,
    optimizer_rows,
    schedule_rows,
    gate_rows,
    output_rows,
    compression_rows,
]

RECIPES = {recipe.name: recipe for group in _GROUPS for recipe in group.ROWS}
#: What each recipe is for: the heading that it stands under.
PURPOSES = {
    recipe.name: group.PURPOSE for group in _GROUPS for recipe in group.ROWS
}
