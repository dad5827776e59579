"""What there is, as rows: for the tables of the command line and for JSON."""


def list_presets():
    """Returns one dict a preset: name, network, size, weights.

    >>> list_presets()[0]["preset"]
    'mobilenet'
    """
    from kerastl.apps.presets.preset_table import PRESETS

    return [
        {
            "preset": preset.name,
            "network": preset.title,
            "pixels": preset.default_size,
            "M weights": preset.parameters,
            "ImageNet": "yes" if preset.downloadable else "-",
        }
        for preset in PRESETS.values()
    ]


def list_methods():
    """Returns one dict a recipe: its name, what it does and what for."""
    from kerastl.apps.choice.evidence import verdict
    from kerastl.apps.recipes.recipe_table import PURPOSES
    from kerastl.apps.recipes.recipe_table import RECIPES

    return [
        {
            "method": recipe.name,
            "what it does": recipe.summary,
            "purpose": PURPOSES[recipe.name],
            "helps": verdict(recipe.name),
        }
        for recipe in RECIPES.values()
    ]


def list_schemes():
    """Returns one dict a scheme: as `--export` takes it, and what it is."""
    from kerastl.export.conversion.converters import SCHEMES

    return [
        {
            "scheme": f"{format}:{scheme.name}",
            "what it is": scheme.summary,
            "calibration": "needed" if scheme.needs_calibration else "no",
        }
        for format, schemes in SCHEMES.items()
        for scheme in schemes.values()
    ]
