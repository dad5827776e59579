"""What a recipe sets otherwise than published is told, with its value."""

import inspect
import numbers

import numpy as np
import pytest

import kerastl
from kerastl import apps
from kerastl_command_line.listings import describe_method

from .toys import make_setting

pytestmark = pytest.mark.tensorflow_only

# What follows from the data or the length of a training, and is no setting.
OF_THE_RUN = {
    *("seed", "num_samples", "squeeze_epoch", "periods", "batch_size"),
    *("total_steps", "period", "flip", "steps_per_stage", "first_epoch"),
    *("top_k", "every", "teacher_momentum", "learning_rate", "groups"),
}
# The class's own form of a term, which `exact` is about.
FORM = {"relative", "normalize", "restart_learning_rate"}
# Its default is another method's; this is what the authors' code has.
PUBLISHED = {("spottune", "factor"): 0.1}


def _spied(monkeypatch, where, seen):
    """Notes what is passed to a class or a function, and makes it."""
    *path, name = where.split(".")
    module = kerastl
    for part in path:
        module = getattr(module, part)
    made = getattr(module, name)
    signature = inspect.signature(made)

    def note(arguments, keywords):
        bound = signature.bind_partial(*arguments, **keywords).arguments
        for key, value in bound.items():
            usual = signature.parameters[key].default
            is_set = isinstance(value, numbers.Real | np.floating)
            if is_set and usual is not inspect.Parameter.empty:
                if usual is None or value != usual:
                    seen.append((key, value))

    if inspect.isclass(made):
        begin = made.__init__

        def spy(self, *arguments, **keywords):
            if type(self) is made:
                note(arguments, keywords)
            begin(self, *arguments, **keywords)

        monkeypatch.setattr(made, "__init__", spy)
        return

    def call(*arguments, **keywords):
        note(arguments, keywords)
        return made(*arguments, **keywords)

    monkeypatch.setattr(module, name, call)
    if hasattr(kerastl, name):
        monkeypatch.setattr(kerastl, name, call)


def settings_of(name, monkeypatch, new_head):
    """What a recipe passes that is not the default of what it passes it to."""
    recipe, seen = apps.get_recipe(name), []
    setting = make_setting()
    setting.new_head = new_head
    if recipe.hides_samples:
        setting.data.training(with_index=True, filtered=True)
    with monkeypatch.context() as patch:
        for where in recipe.where:
            _spied(patch, where, seen)
        setting.student = recipe.surgery(setting)
        recipe.transfer_losses(setting)
        recipe.callbacks(setting)
        if recipe.regularizer is not None:
            recipe.regularizer(setting)
        if recipe.trains:
            recipe.optimizer(setting)
    return [
        (key, value)
        for key, value in seen
        if key not in OF_THE_RUN | FORM and PUBLISHED.get((name, key)) != value
    ]


@pytest.mark.parametrize(
    "name", sorted(set(apps.RECIPES) - {"semantic_similarity"})
)
def test_what_is_set_otherwise_is_told(name, monkeypatch):
    recipe = apps.get_recipe(name)
    differs = recipe.differs
    # Weights alone ask whether the classes are new.
    for new_head in (False, True) if recipe.weighted else (True,):
        for key, value in settings_of(name, monkeypatch, new_head):
            assert differs is not None, (key, value)
            parameter = f"{value:g}"
            if key == "weight" and name == "co_tuning":
                parameter = f"{value / 2.3:g}"
            assert parameter in differs.split("published: ")[0], (key, value)


def test_the_spies_see_what_is_set(monkeypatch):
    found = {
        name: dict(settings_of(name, monkeypatch, True))
        for name in ("tcr", "stochastic_depth", "co_tuning", "ktft", "bss")
    }
    assert found["tcr"] == {"beta": 0.3}
    assert found["stochastic_depth"] == {"survival": 0.9}
    assert found["co_tuning"]["weight"] == pytest.approx(0.23)
    assert found["ktft"] == {"weight": 0.1}
    assert found["bss"] == {}


def test_the_command_line_tells_it():
    assert "0.1 times the published" in describe_method("co_tuning")["values"]
    assert describe_method("bss")["values"].startswith("the defaults of")
    assert "values" not in describe_method("fine_tune")
    both = describe_method("tcr+co_tuning+bss")["values"]
    assert "tcr: 0.3 of each label" in both and "; co_tuning: where" in both
    assert "bss" not in both
