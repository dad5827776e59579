"""Networks and data on which recipes train in seconds."""

import keras
import numpy as np
import pytest
from keras import layers

import kerastl
from kerastl import apps
from kerastl.apps.data.image_data import ImageData
from kerastl.apps.data.image_part import ImagePart
from kerastl.apps.recipes.setting import Setting
from kerastl.apps.runs.prepare_student import prepare_student
from kerastl.apps.runs.train_network import training_data
from kerastl.surgery.wordnet import WordNet

# Every method that trains, in few fits. Apart are those that set the learning
# rate, the regularizers, the heads; what shrinks the network cannot be
# compared with the source.
GROUPS = [
    "adafilter+akc_arc+cbs+disturb_label+ema+kakurenbo+ktft+l2+pruning",
    "bss+clustering+co_tuning+delta+drop_connect+filtered_transfer+imprinting"
    "+l2_sp+spottune",
    "akc+arc+cyclic+distillation+l2_sp_fisher+layer_decay+lure+lwf"
    "+similarity+stoch_norm",
    "adversarial+bi_tuning+ddac+feature_map+staged_unfreezing"
    "+stochastic_depth+tcr",
    "channel_pruning+fine_tune+rifle+semantic_similarity",
    "averaged_imprinting+self_training",
    "linear_probe",
]
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
    "self_training": {"pseudo_labels"},
    "tcr": {"tcr"},
}


@pytest.fixture
def eagerly():
    """Without graphs, which take longer to trace than a few steps to run."""
    import tensorflow as tf

    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.fixture
def student():
    source = apps.get_preset("resnet8").build(
        input_shape=(24, 24, 3), classes=5
    )
    return prepare_student(source, 5, seed=0)[0]


@pytest.fixture
def digits():
    return apps.load_digits_pair(shots=4, image_size=24, batch_size=8).target


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
    """A `Setting` of three classes: two epochs of three small batches."""
    generator = np.random.default_rng(0)

    def part(count):
        labels = (np.arange(count) % 3).astype("int32")
        images = generator.uniform(0, 155, (count, 20, 20, 3))
        images[np.arange(count), :, :, labels] += 100
        return ImagePart(labels, 20, images.astype("uint8"))

    data = ImageData(
        {"train": part(18), "validation": part(6)},
        ["cat", "dog", "car"],
        16,
        batch_size=6,
        unlabelled=part(12),
    )
    source = make_source()
    student = kerastl.replace_head(kerastl.antialias(source), 3, seed=0)
    return Setting(
        student,
        source,
        data,
        epochs=2,
        steps_per_epoch=3,
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


@pytest.fixture(name="fit")
def _fit():
    return fit


@pytest.fixture
def setting():
    return make_setting()


@pytest.fixture(name="make_setting")
def _make_setting():
    return make_setting


@pytest.fixture
def terms_of():
    """Names of the terms of a method, or of several joined by `+`."""

    def find(names):
        return set().union(*(TERMS.get(name, ()) for name in names.split("+")))

    return find


@pytest.fixture(params=GROUPS)
def group(request):
    """Methods that train together; in one of the groups is every one."""
    return trainable_here(request.param)


@pytest.fixture
def groups():
    return [trainable_here(names) for names in GROUPS]


def trainable_here(names):
    """Leaves out what needs a package of the system's that is not there."""
    try:
        WordNet()
    except FileNotFoundError:
        return names.replace("+semantic_similarity", "")
    return names
