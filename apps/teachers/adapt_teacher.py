"""A bigger network, adapted to the user's photos."""

from kerastl.apps.choice.choose_method import pays
from kerastl.apps.choice.evidence import BASELINE
from kerastl.apps.presets.preset_table import get_preset
from kerastl.apps.recipes.recipe_table import RECIPES
from kerastl.apps.runs.prepare_student import prepare_student
from kerastl.apps.runs.train_network import train_network

#: How a teacher is adapted where that is expected to gain.
METHOD = "averaged_imprinting"
# Larger images cost nothing on the device, where a teacher never is.
_LARGER = 1.25
_GRID = 32


def teacher_size(image_size, preset) -> int:
    """Height and width of the images that a teacher is adapted to.

    A quarter more than the student's, in steps of 32. It then teaches on
    crops of the student's size, enlarged: of the MobileNetV2 that was
    measured, that cost less than half a point.

    Args:
        image_size: That of the student.
        preset: The `Preset`, whose smallest size is kept to.
    """
    steps = -(-_LARGER * image_size // _GRID)
    return max(int(steps) * _GRID, preset.min_size)


def build_source(spec, image_size):
    """The network that a teacher is adapted from.

    Args:
        spec: A `TeacherSpec` with a preset.
        image_size: Height and width of its images.

    Raises:
        ConnectionError: If ImageNet weights cannot be downloaded.
        ValueError: As in `Preset.build`, if the weights cannot be read.
    """
    try:
        return get_preset(spec.preset).build(
            spec.weights,
            input_shape=(image_size, image_size, 3),
            include_top=False,
            **spec.arguments,
        )
    except ConnectionError as error:
        raise ConnectionError(
            "The weights of the teacher could not be downloaded. On a machine "
            "without network name a file of them behind the preset, "
            f"`{spec.preset}:FILE`. Received: teacher={spec.text!r}, and "
            f"{error.__cause__ or error}"
        ) from error
    except ValueError as error:
        # It speaks of `weights`, which are the student's.
        raise ValueError(
            "The teacher's weights cannot be taken. Name a file of a "
            f"{spec.preset} behind the preset, `{spec.preset}:FILE`, or "
            f"another teacher. Received: teacher={spec.text!r}, and: {error}"
        ) from error


def adapt_teacher(spec, data, epochs, **options):
    """Fine-tunes a teacher.

    Args:
        spec: A `TeacherSpec` with a preset.
        data: The `apps.ImageData`, at the teacher's own image size.
        epochs: Number of epochs.
        **options: Passed on to `train_network`.

    Returns:
        The adapted `keras.Model`.
    """
    steps = epochs * data.steps_per_epoch
    preset = get_preset(spec.preset)
    source = build_source(spec, data.image_size)
    pay = pays(METHOD, source, data, epochs)
    recipe = RECIPES[METHOD if pay else BASELINE]
    student, _ = prepare_student(
        source, data.num_classes, seed=options.get("seed")
    )
    usual = preset.usual_rate(spec.weights, spec.arguments.get("alpha", 1.0))
    model, _ = train_network(
        student,
        source,
        recipe,
        data,
        epochs,
        learning_rate=recipe.highest_rate(usual, steps),
        validate=False,
        new_head=True,
        **options,
    )
    return model
