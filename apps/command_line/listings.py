"""What `kerastl presets`, `methods` and `schemes` print."""


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


_FORMULAS = {
    "exact": "exact: as published, or as in the authors' code",
    "assumed": "assumed: a part could not be read in the paper or in the "
    "authors' code, or is done otherwise; the docstring of what is named "
    "under 'in Python' says which",
}


_DEFAULTS = "the defaults of what is named under 'in Python'"


def describe_method(name):
    """Returns a dict of what a method does, costs and needs.

    Args:
        name: Name of a recipe, or several joined by `+`.

    Raises:
        ValueError: If there is none of that name (the message has the
            nearest), or they cannot be joined.
    """
    from kerastl.apps.recipes.recipe_table import PURPOSES
    from kerastl.apps.recipes.recipe_table import get_recipe

    recipe = get_recipe(name)
    purposes = [PURPOSES[part] for part in recipe.name.split("+")]
    strength = "no weight of a term to scale"
    if recipe.weighted:
        strength = "--strength scales the weights of its terms"
    described = {
        "method": recipe.name,
        "title": recipe.title,
        "what it does": recipe.summary,
        "purpose": "; ".join(dict.fromkeys(purposes)),
        "paper": recipe.paper,
        "in Python": ", ".join(f"kerastl.{name}" for name in recipe.where)
        or "Keras's own training",
        "formula": _FORMULAS[recipe.exact],
        "values": recipe.differs or (_DEFAULTS if recipe.where else ""),
        "step": _cost(recipe),
        "learning rate": _rate(recipe),
        "strength": strength,
        "helps": _helps(recipe),
        "measured": _gains(recipe),
        "needs": "; ".join(_needs(recipe)) or "nothing but photos and weights",
        "not with": "; ".join(_refusals(recipe)) or "all options go with it",
        "example": f"kerastl finetune photos/ --method {recipe.name}"
        + (" --unlabelled more/" if recipe.needs_unlabelled else ""),
    }
    return {name: text for name, text in described.items() if text}


def _cost(recipe):
    if not recipe.trains:
        return "nothing is trained"
    if recipe.cost is None:
        return "not measured together"
    return f"{recipe.cost:.2f} times plain fine-tuning's, on a CPU"


def _helps(recipe):
    from kerastl.apps.choice.evidence import BASELINE
    from kerastl.apps.choice.evidence import verdict

    if recipe.name == BASELINE:
        return "it is what others are measured against"
    return verdict(recipe.name)


def _gains(recipe):
    """Points to plain fine-tuning, a line of photos and network."""
    from kerastl.apps.choice.evidence import told_of
    from kerastl.apps.report.figures import NINETY_FIVE

    rows = sorted(
        told_of(recipe.name),
        key=lambda row: (row["data"], row["network"], row["shots"]),
    )
    tasks = {}
    for row in rows:
        tasks.setdefault((row["data"], row["network"]), []).append(
            f"{row['gain']:+.1f} ± {NINETY_FIVE * row['error']:.1f} "
            f"({row['shots']})"
        )
    told = "; ".join(
        f"{data}, {network}: {', '.join(gains)}"
        for (data, network), gains in tasks.items()
    )
    if not told:
        return ""
    return (
        "points to fine_tune with their 95 % interval, and photos a class: "
        f"{told}"
    )


def _rate(recipe):
    if not recipe.trains:
        return "nothing is trained"
    rate = "the preset's"
    if recipe.learning_rate is not None:
        rate = f"{recipe.learning_rate:g}"
    elif recipe.rate_factor != 1:
        rate = f"{recipe.rate_factor:g} times the preset's"
    by_layer = ", times a factor of the layer" if recipe.rates_by_layer else ""
    return f"{rate} at the start{by_layer}; --learning-rate sets another"


def _needs(recipe):
    if not recipe.trains:
        yield "weights that know the classes of the photos"
    if recipe.needs_source_head:
        yield "weights with their classifier"
    if recipe.needs_unlabelled:
        yield (
            "photos without labels (--unlabelled FOLDER, or what --shots "
            "leaves over)"
        )
    if recipe.requires is not None:
        yield recipe.requires
    if recipe.uses_source:
        yield "memory for a second network, the frozen source"


# Options by what stands in their way.
_OPTIONS = {
    "best": "--keep best",
    "average": "--keep average",
    "patience": "--patience",
    "mixing": "--augment mixup, cutmix and strong",
    "label_smoothing": "--label-smoothing",
    "head_learning_rate": "--head-learning-rate",
}


def _refusals(recipe):
    from kerastl.apps.recipes.adapt_recipe import find_conflicts
    from kerastl.apps.recipes.training_options import TrainingOptions

    found = {}
    for keep in ("best", "average"):
        asked = TrainingOptions(keep, 1, 0.1, 2.0)
        found |= find_conflicts(asked, recipe, mixes=True)
    options = {}
    for name, reason in found.items():
        options.setdefault(reason, []).append(_OPTIONS[name])
    for reason, names in options.items():
        yield f"{', '.join(names)} ({reason})"
    if recipe.trains and not recipe.averages:
        yield "--soup (every training keeps other weights)"
