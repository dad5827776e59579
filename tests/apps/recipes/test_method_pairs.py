"""Every method beside every other one that it can be joined with.

A fit holds several methods at once, and the fits are chosen so that each pair
meets in one of them: anti-aliased, compiled by XLA, two epochs.
"""

import itertools

import keras
import numpy as np
import pytest
from keras import layers

import kerastl
from kerastl import apps
from kerastl.apps.data.image_data import ImageData
from kerastl.apps.data.image_part import ImagePart
from kerastl.apps.recipes.setting import Setting
from kerastl.apps.runs.make_tuner import make_tuner
from kerastl.apps.runs.train_network import training_data

pytestmark = [pytest.mark.tensorflow_only, pytest.mark.slow]

# The columns that a method adds to the history.
TERMS = {
    "adversarial": {"adversarial"},
    "akc": {"akc"},
    "akc_arc": {"akc", "arc"},
    "arc": {"arc"},
    "bi_tuning": {"bi_tuning"},
    "bss": {"bss"},
    "co_tuning": {"co_tuning"},
    "delta": {"delta"},
    "distillation": {"logits_distillation"},
    "disturb_label": {"disturb_label"},
    "feature_map": {"feature_map"},
    "filtered_transfer": {"sample_statistics"},
    "kakurenbo": {"sample_statistics"},
    "ktft": {"pixel_level", "global_level"},
    "lwf": {"lwf"},
    "tcr": {"tcr"},
}
# Together they would make no sense: two of a kind, or one inside the other.
EXCLUSIVE = [
    {"akc", "akc_arc"},
    {"arc", "akc_arc"},
    {"adafilter", "spottune"},
    {"filtered_transfer", "kakurenbo"},
    {"clustering", "pruning"},
    {"similarity", "semantic_similarity", "imprinting", "akc_arc"},
]
MOST = 13


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


def fits(names):
    if any(len(group & set(names)) > 1 for group in EXCLUSIVE):
        return False
    try:
        apps.get_recipe("+".join(names))
    except ValueError:
        return False
    return True


def groups():
    """Few groups of methods in which every pair that can be meets."""
    pairs = {
        frozenset(pair)
        for pair in itertools.combinations(joinable(), 2)
        if fits(pair)
    }
    missing, found = set(pairs), []
    while missing:
        group = sorted(min(missing, key=sorted))
        while len(group) < MOST:
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


def make_source():
    """The smallest network that every method can be put into."""
    inputs = keras.Input((16, 16, 3), name="image")
    x = layers.Rescaling(1 / 127.5, offset=-1, name="rescale")(inputs)
    for stage, filters in enumerate((4,), start=1):
        name = f"stage{stage}"
        x = layers.Conv2D(
            filters, 3, 2, padding="same", use_bias=False, name=f"{name}_down"
        )(x)
        x = layers.BatchNormalization(name=f"{name}_down_bn")(x)
        x = shortcut = layers.ReLU(name=f"{name}_down_relu")(x)
        x = layers.Conv2D(
            filters, 3, padding="same", use_bias=False, name=f"{name}_conv"
        )(x)
        x = layers.BatchNormalization(name=f"{name}_bn")(x)
        x = layers.Add(name=f"{name}_add")([shortcut, x])
        x = layers.ReLU(name=f"{name}_relu")(x)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    x = layers.Dense(6, activation="softmax", name="predictions")(x)
    return keras.Model(inputs, x, name="source")


@pytest.fixture
def setting():
    generator = np.random.default_rng(0)

    def part(count):
        labels = (np.arange(count) % 3).astype("int32")
        images = generator.uniform(0, 155, (count, 20, 20, 3))
        images[np.arange(count), :, :, labels] += 100
        return ImagePart(labels, 20, images.astype("uint8"))

    data = ImageData(
        {"train": part(18), "validation": part(6)},
        ["one", "two", "three"],
        16,
        batch_size=6,
        unlabelled=part(12),
    )
    source = make_source()
    student = kerastl.replace_head(kerastl.antialias(source), 3, seed=0)
    # Small: five methods at once pull in five directions.
    return Setting(student, source, data, 2, 3, learning_rate=0.001)


def test_every_method_is_in_a_pair():
    partners = {name: 0 for name in joinable()}
    for pair in itertools.combinations(joinable(), 2):
        if fits(pair):
            for name in pair:
                partners[name] += 1
    # Those that leave images out set the learning rate, and so do others.
    alone = len(partners) - 9
    assert {n for n, count in partners.items() if count < alone} == set()


@pytest.mark.parametrize("names", groups())
def test_methods_train_together(names, setting):
    recipe = apps.get_recipe(names)
    tuner = make_tuner(recipe, setting, jit_compile=True)
    history = tuner.fit(
        training_data(recipe, setting),
        epochs=setting.epochs,
        callbacks=recipe.callbacks(setting),
        shuffle=False,
        verbose=0,
    ).history
    expected = set().union(*(TERMS.get(name, ()) for name in names.split("+")))
    assert {term.name for term in tuner.transfer_losses} == expected
    assert expected < set(history)
    for name, values in history.items():
        assert np.isfinite(values).all(), name
    shipped = recipe.finish(setting)
    predictions = shipped.predict(setting.data.images("train")[0], verbose=0)
    np.testing.assert_allclose(predictions.sum(-1), 1, atol=1e-5)
