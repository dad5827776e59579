"""Every method beside every other one that it can be joined with.

A fit holds several methods at once, and the fits are chosen so that each pair
meets in one of them: anti-aliased, two epochs. These run step by step. XLA,
which takes longer to compile than all the rest, gets every method once.
"""

import itertools
from collections import Counter

import numpy as np
import pytest

from kerastl import apps
from kerastl.apps.runs.train_network import make_tuner

from .joined import fits

pytestmark = [pytest.mark.tensorflow_only, pytest.mark.slow]


def joinable():
    """Names of the methods that train, without those of another kind."""
    # WordNet is a package of the system's; the head it makes is that of
    # `similarity`.
    # Channels that are gone cannot be compared with the source's.
    apart = {"channel_pruning", "fine_tune", "semantic_similarity"}
    return sorted(
        name
        for name, recipe in apps.RECIPES.items()
        if recipe.trains and recipe.trainable == "all" and name not in apart
    )


def groups():
    """Few groups of methods in which every pair that can be meets."""
    missing = {
        frozenset(pair)
        for pair in itertools.combinations(joinable(), 2)
        if fits(pair)
    }
    found = []
    while missing:
        left = Counter(itertools.chain.from_iterable(missing))
        group = max(
            sorted(map(sorted, missing)),
            key=lambda pair: left[pair[0]] + left[pair[1]],
        )
        while True:
            gains = {
                name: sum(
                    frozenset((name, member)) in missing for member in group
                )
                for name in joinable()
                if name not in group and fits(sorted([*group, name]))
            }
            best = max(gains, key=gains.get, default=None)
            if best is None or gains[best] == 0:
                break
            group = sorted([*group, best])
        missing -= {
            frozenset(pair) for pair in itertools.combinations(group, 2)
        }
        found.append("+".join(group))
    return found


GROUPS = groups()


def test_every_method_is_in_a_pair():
    partners = {name: 0 for name in joinable()}
    for pair in itertools.combinations(joinable(), 2):
        if fits(pair):
            for name in pair:
                partners[name] += 1
    # Those that leave images out set the learning rate, and so do others.
    alone = len(partners) - 10
    assert {n for n, count in partners.items() if count < alone} == set()


@pytest.mark.parametrize("names", GROUPS)
def test_methods_train_together(names, setting, terms_of, fit):
    train(names, setting, terms_of, fit, run_eagerly=True)


def test_methods_compile_together(group, setting, terms_of, fit):
    train(group, setting, terms_of, fit, jit_compile=True)


def train(names, setting, terms_of, fit, jit_compile=False, run_eagerly=False):
    recipe = apps.get_recipe(names)
    tuner = make_tuner(recipe, setting, jit_compile)
    tuner.run_eagerly = run_eagerly
    history = fit(tuner, recipe, setting)
    terms = terms_of(names)
    assert {term.name for term in tuner.transfer_losses} == terms
    assert terms < set(history)
    for name, values in history.items():
        assert np.isfinite(values).all(), name
    shipped = recipe.finish(setting)
    images, _ = setting.data.images("train")
    predictions = shipped.predict(images, verbose=0)
    np.testing.assert_allclose(predictions.sum(-1), 1, atol=1e-5)
