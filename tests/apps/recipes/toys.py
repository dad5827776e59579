"""A network, data and a fit of seconds that every method can be put into.

Run by itself too, in processes that know nothing of pytest.
"""

import keras
import numpy as np
from keras import layers

import kerastl
from kerastl.apps.data.image_data import ImageData
from kerastl.apps.recipes.recipe import Setting
from kerastl.apps.runs.train_network import training_data

from ..coloured_part import coloured_part


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
    # A source that is sure of some images: AKC looks at no others.
    sure = keras.initializers.VarianceScaling(100.0, "fan_avg", "uniform")
    x = layers.Dense(
        6, activation="softmax", kernel_initializer=sure, name="predictions"
    )(x)
    return keras.Model(inputs, x, name="source")


def make_setting(seed=0):
    """A `Setting` of three classes: two epochs of two small batches."""
    generator = np.random.default_rng(0)
    train, validation, unlabelled = (
        coloured_part(generator, count, size=20) for count in (12, 6, 12)
    )
    data = ImageData(
        {"train": train, "validation": validation},
        ["cat", "dog", "car"],
        16,
        batch_size=6,
        unlabelled=unlabelled,
    )
    source = make_source()
    student = kerastl.replace_head(kerastl.antialias(source), 3, seed=0)
    return Setting(
        student,
        source,
        data,
        epochs=2,
        steps_per_epoch=2,
        # Small: five methods at once pull in five directions.
        learning_rate=0.001,
        seed=seed,
        source_classes=["wolf", "lion", "bus", "tree", "house", "boat"],
    )


def fit(tuner, recipe, setting, *callbacks):
    """Trains as a recipe says; returns the history."""
    return tuner.fit(
        training_data(recipe, setting),
        epochs=setting.epochs,
        callbacks=[*callbacks, *recipe.callbacks(setting)],
        shuffle=False,
        verbose=0,
    ).history
