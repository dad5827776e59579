"""Methods, ready to run: one row each."""

from kerastl.apps.recipes.get_recipe import get_recipe

__all__ = [
    "get_recipe",
]
