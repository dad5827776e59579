"""The method that measurements on other photos speak for."""

from kerastl.apps.choice.evidence import BASELINE
from kerastl.apps.choice.evidence import expected_gains
from kerastl.apps.choice.judge_features import discriminant_accuracy
from kerastl.apps.choice.look import look
from kerastl.apps.recipes.table import RECIPES
from kerastl.apps.report.figures import NINETY_FIVE

AUTO = "auto"
# Points that a method has to promise. Far from all that was measured, with
# hundreds of photos a class, none does.
_LEAST = 0.5


def choose_method(source, data):
    """Chooses a method without training: what `--method auto` does.

    The source looks at the training photos once, and a linear discriminant
    says how much its features tell of them. The method is the one that gained
    most on tasks like this, or fine-tuning where none did, or where nothing
    like this was measured.

    Args:
        source: The pre-trained network.
        data: An `apps.ImageData`.

    Returns:
        The name of the method, and a sentence that says why.
    """
    probe = 100 * discriminant_accuracy(*look(source, data))
    shots = len(data.parts["train"]) / data.num_classes
    gains = {
        method: gain
        for method, gain in expected_gains(shots, probe).items()
        if is_candidate(RECIPES[method])
    }
    method = max(gains, key=lambda name: gains[name].points)
    if gains[method].points < _LEAST:
        method = BASELINE
    task = (
        f"with {shots:.0f} photos a class, of which a linear classifier on the "
        f"source's features names {probe:.0f} %"
    )
    chosen = f"{RECIPES[method].title} was chosen"
    if method == BASELINE:
        return method, f"{chosen}: nothing is expected to gain over it {task}"
    gain = gains[method]
    half = NINETY_FIVE * gain.error
    return method, (
        f"{chosen}: {gain.points:+.1f} ± {half:.1f} points over fine-tuning "
        f"are expected {task}"
    )


def is_candidate(recipe):
    """Whether any weights and photos have all that the method needs."""
    return not (recipe.needs_source_head or recipe.needs_unlabelled)
