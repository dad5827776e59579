"""The trainings of the quickstart: digits 0 to 4, then digits 5 to 9."""

import dataclasses

import keras

from kerastl.apps.data.load_digits_pair import load_digits_pair
from kerastl.apps.presets.preset_table import get_preset
from kerastl.apps.recipes.recipe import Recipe
from kerastl.apps.recipes.recipe_table import get_recipe
from kerastl.apps.runs.measure_network import measure
from kerastl.apps.runs.prepare_student import prepare_student
from kerastl.apps.runs.train_network import train_network
from kerastl.export import load
from kerastl.losses import GlobalLevel
from kerastl.losses import PixelLevel
from kerastl.metrics import shift_consistency

PRESET = "resnet8"
IMAGE_SIZE = 24
SHOTS = 25
EPOCHS = 20
SOURCE_EPOCHS = 6
BLUR_TAPS = 3
SOURCE_LEARNING_RATE = 0.05
# What did best on the validation images, each method by itself:
# tests/benchmarks/quickstart_search.py. The weights of KTFT are the smallest
# that were tried: this source has seen five digits, not a thousand classes.
LEARNING_RATES = {"fine_tune": 0.05, "antialias": 0.1, "ktft": 0.05}
PIXEL_WEIGHT = 0.1
GLOBAL_WEIGHT = 0.1

_SHIFT_PASSES = 3


@dataclasses.dataclass(frozen=True)
class Method:
    """One way to move the source network to the new digits.

    Args:
        name: Name in file names.
        label: Name to show.
        kernel_size: Taps of the blurs, `None` for none.
        recipe: What is trained, and how.
    """

    name: str
    label: str
    kernel_size: int | None
    recipe: Recipe


def digits_methods(pixel=PIXEL_WEIGHT, globally=GLOBAL_WEIGHT):
    """Returns the methods that the quickstart compares.

    Args:
        pixel: Weight of KTFT's pixel-level loss.
        globally: Weight of KTFT's global-level loss.
    """
    # A source that has seen a few hundred digits is little more than random.
    plain = get_recipe("fine_tune").from_scratch()
    ktft = dataclasses.replace(
        get_recipe("ktft").from_scratch(),
        transfer_losses=lambda setting: [
            PixelLevel(pixel, relative=True),
            GlobalLevel(globally, relative=True),
        ],
    )
    return [
        Method("fine_tune", "Fine-tuning", None, plain),
        Method("antialias", "Anti-aliased fine-tuning", BLUR_TAPS, plain),
        Method("ktft", "Anti-aliased KTFT", BLUR_TAPS, ktft),
    ]


def digits_target(seed):
    """Returns the data of the digits 5 to 9.

    The training images are not augmented, so that what a network knows of
    shifts comes from its source and its blurs.
    """
    data = load_digits_pair(seed, SHOTS, IMAGE_SIZE).target
    data.augmentation = None
    return data


def train_digits_source(console=None):
    """Trains the source network on the digits 0 to 4.

    Returns:
        The network, and its `measure` on test images.
    """
    keras.utils.set_random_seed(0)
    data = load_digits_pair(0, SHOTS, IMAGE_SIZE).source
    source = get_preset(PRESET).build(
        input_shape=(IMAGE_SIZE, IMAGE_SIZE, 3), classes=data.num_classes
    )
    source, _ = train_network(
        source,
        None,
        get_recipe("fine_tune").from_scratch(),
        data,
        SOURCE_EPOCHS,
        learning_rate=SOURCE_LEARNING_RATE,
        console=console,
        label="source",
    )
    return source, measure(load(source).classify, data, "test")


def train_digits_target(
    method, seed, source, learning_rate=None, console=None, label=""
):
    """Moves the source network to the digits 5 to 9.

    Args:
        method: A `Method`.
        seed: Seed of the images, the head and the order.
        source: The source network.
        learning_rate: Learning rate at the start. Defaults to the method's
            in `LEARNING_RATES`.
        console: `rich.console.Console` to show progress on.
        label: Text of the progress bar.

    Returns:
        The trained network, and a dict of `history` and, on validation
        images, `validation_shifted`: the accuracy over randomly shifted
        crops, one figure that counts both errors and lost stability.
    """
    keras.utils.set_random_seed(seed)
    data = digits_target(seed)
    student, _ = prepare_student(
        source, data.num_classes, method.kernel_size, seed=seed
    )
    student, history = train_network(
        student,
        source,
        method.recipe,
        data,
        EPOCHS,
        learning_rate=learning_rate or LEARNING_RATES[method.name],
        # The report shows the curves of the first seed alone.
        validate=seed == 0,
        console=console,
        label=label,
    )
    predict = load(student).classify
    images, labels = data.larger_images("validation")
    _, shifted = shift_consistency(
        lambda crops: predict(crops.astype("float32")),
        images,
        data.image_size,
        labels=labels,
    )
    return student, {"history": history, "validation_shifted": shifted}


def measure_digits_target(student, seed):
    """Returns `measure` of a trained network on the test images."""
    return measure(
        load(student).classify,
        digits_target(seed),
        "test",
        passes=_SHIFT_PASSES,
    )
