"""Methods, ready to run: one row each."""

from kerastl.apps.recipes.recipe_table import get_recipe

__all__ = [
    "get_recipe",
]
