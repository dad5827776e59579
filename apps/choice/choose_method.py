"""The method that measurements on other photos speak for."""

import pathlib
import shlex

from kerastl.apps.choice.evidence import BASELINE
from kerastl.apps.choice.evidence import Task
from kerastl.apps.choice.evidence import expected_gains
from kerastl.apps.choice.evidence import expected_lesson
from kerastl.apps.choice.evidence import measured
from kerastl.apps.choice.judge_features import discriminant_accuracy
from kerastl.apps.choice.judge_features import look
from kerastl.apps.choice.weights_at_hand import usual_places
from kerastl.apps.choice.weights_at_hand import weights_at_hand
from kerastl.apps.presets.preset_table import PRESETS
from kerastl.apps.recipes.adapt_recipe import find_conflicts
from kerastl.apps.recipes.recipe_table import RECIPES
from kerastl.apps.recipes.training_options import TrainingOptions
from kerastl.apps.report.figures import NINETY_FIVE

# The teacher that was measured, and the smallest images it was tried on.
_TEACHER = "mobilenet_v2"
_TEACHES_FROM = 96
# Points that are worth a hint.
_LEAST_LESSON = 3.0
# Steps of the shortest trainings that were measured. In four of them
# averaged imprinting, whose start has to be trained, lost what it began with.
_LEAST_STEPS = 40
# What learns from images without labels where there is no teacher.
SELF_TAUGHT = "self_training"
# Points that a method has to promise. Far from all that was measured, with
# hundreds of photos a class, none does.
_LEAST = 0.5
_NO_OPTIONS = TrainingOptions()


def choose_method(source, data, epochs, options=_NO_OPTIONS):
    """Chooses a method without training: what `--method auto` does.

    The source looks at the training photos once, and a linear discriminant
    says how much its features tell of them. The method is the one that gained
    most on tasks like this, a standard error taken off, or fine-tuning where
    none gained more than that, or where nothing like this was measured.

    Args:
        source: The pre-trained network.
        data: An `apps.ImageData`.
        epochs: Number of epochs.
        options: The `TrainingOptions`; a method that does not go with them,
            or with the data's augmentation, is not chosen.

    Returns:
        The name of the method, and a sentence that says why.
    """
    few = _few_steps(data, epochs)
    if few is not None:
        return BASELINE, few
    task = _task(source, data)
    mixes = data.augmentation is not None and data.augmentation.mixes
    gains = {
        method: gain
        for method, gain in expected_gains(task).items()
        if is_candidate(RECIPES[method])
        and not find_conflicts(options, RECIPES[method], mixes)
    }
    method = max(
        (name for name, gain in gains.items() if _promises(gain)),
        key=lambda name: _surely(gains[name]),
        default=BASELINE,
    )
    here = (
        f"with {task.shots:.0f} photos a class, of which a linear classifier "
        f"on the source's {task.features} features names {task.probe:.0f} %"
    )
    chosen = f"{RECIPES[method].title} was chosen"
    if method == BASELINE:
        return method, f"{chosen}: nothing is expected to gain over it {here}"
    return method, (
        f"{chosen}: {_said(gains[method])} points over fine-tuning are "
        f"expected {here}"
    )


def describe_lesson(source, data, weights=None) -> str | None:
    """What a teacher is expected to bring, for who has none.

    Args:
        source: The pre-trained network.
        data: An `apps.ImageData`.
        weights: File that its weights came from: another one beside it, among
            Keras's downloads or in a folder `weights` beside the photos may
            be the teacher's, and is named then.

    Returns:
        A sentence; `None` where the network is no smaller than the teachers
        that were measured, where nothing like the task was, or where little is
        expected.
    """
    large = 2 * source.count_params() > 1e6 * PRESETS[_TEACHER].parameters
    if large or data.image_size < _TEACHES_FROM:
        return None
    gain = expected_lesson(_task(source, data), unlabelled=True)
    if gain.points < _LEAST_LESSON:
        return None
    return (
        "A bigger network could teach this one, most of all from photos that "
        f"nobody sorted: {_said(gain)} points over fine-tuning are expected of "
        f"--teacher {_teacher_at_hand(data, weights)} --unlabelled FOLDER"
    )


def choose_self_taught(source, data, epochs, keep_head=False):
    """What `--method auto` does with photos without labels and no teacher.

    Args:
        source: The pre-trained network.
        data: An `apps.ImageData`.
        epochs: Number of epochs.
        keep_head: Whether the source's head, which knows the classes, stays:
            there is no start then that a few steps would leave half trained.

    Returns:
        The name of the method, and a sentence that says why.
    """
    title = RECIPES[SELF_TAUGHT].title
    if keep_head:
        return SELF_TAUGHT, (
            f"{title} was chosen, which learns from photos without labels"
        )
    few = _few_steps(data, epochs)
    if few is not None:
        return BASELINE, (
            f"{few}; the photos without labels are left out. More epochs or "
            "smaller batches are more steps"
        )
    rows = measured(unlabelled=True)
    gain = expected_gains(_task(source, data), rows)[SELF_TAUGHT]
    if not _promises(gain):
        return BASELINE, (
            f"{RECIPES[BASELINE].title} was chosen: {_said(gain)} points over "
            f"it are expected of {title}, which would learn from the photos "
            "without labels; they are left out"
        )
    return SELF_TAUGHT, (
        f"{title} was chosen, which learns from photos without labels: "
        f"{_said(gain)} points over fine-tuning are expected"
    )


def pays(method, source, data, epochs) -> bool:
    """Whether a method is expected to gain over plain fine-tuning.

    Args:
        method: Key of `apps.RECIPES`.
        source: The pre-trained network.
        data: An `apps.ImageData`.
        epochs: Number of epochs.
    """
    if _few_steps(data, epochs) is not None:
        return False
    gain = expected_gains(_task(source, data)).get(method)
    return gain is not None and _promises(gain)


def _promises(gain):
    """Whether more is expected than the least that counts, and than chance."""
    return gain.points >= _LEAST and _surely(gain) > 0


def _surely(gain):
    """Points that are left of a gain by its standard error.

    By points alone a method that gained much on one task with three seeds
    would come before one that gained little less on all.
    """
    return gain.points - gain.error


def _few_steps(data, epochs):
    """Why nothing but fine-tuning is taken, where it takes too few steps."""
    steps = epochs * data.steps_per_epoch
    if steps >= _LEAST_STEPS:
        return None
    return (
        f"{RECIPES[BASELINE].title} was chosen: no other method was "
        f"measured in trainings of fewer than {_LEAST_STEPS} steps, and "
        f"this one takes {steps}"
    )


def _task(source, data):
    features, labels = look(source, data)
    return Task(
        len(data.parts["train"]) / data.num_classes,
        100 * discriminant_accuracy(features, labels),
        features.shape[1],
    )


def _said(gain):
    return f"{gain.points:+.1f} ± {NINETY_FIVE * gain.error:.1f}"


def _teacher_at_hand(data, weights):
    """What to write behind `--teacher`, with the file where there is one."""
    photos = getattr(data, "path", None)
    places = [] if photos is None else usual_places(photos)
    if isinstance(weights, str | pathlib.Path):
        places.append(pathlib.Path(weights).parent)
    for each in weights_at_hand(places):
        if each.preset == _TEACHER and each.arguments["alpha"] == 1:
            return shlex.quote(f"{_TEACHER}:{each.path}")
    return _TEACHER


def is_candidate(recipe):
    """Whether any weights and photos have all that the method needs."""
    return not (recipe.needs_source_head or recipe.needs_unlabelled)
