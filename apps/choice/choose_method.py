"""The method that measurements on other photos speak for."""

from kerastl.apps.choice.evidence import BASELINE
from kerastl.apps.choice.evidence import expected_gains
from kerastl.apps.choice.judge_features import discriminant_accuracy
from kerastl.apps.choice.look import look
from kerastl.apps.recipes.table import RECIPES

AUTO = "auto"


def choose_method(source, data):
    """Chooses a method without training: what `--method auto` does.

    The source looks at the training photos once, and a linear discriminant
    says how much its features tell of them. The method is the one that gained
    most on tasks like this, or fine-tuning where none did.

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
    task = (
        f"{shots:.0f} photos a class, of which a linear classifier on the "
        f"source's features names {probe:.0f} %"
    )
    title = RECIPES[method].title
    if method == BASELINE:
        return method, f"{title} was chosen: no method gained over it on {task}"
    gain = gains[method]
    return method, (
        f"{title} was chosen: {gain.points:+.1f} ± {1.96 * gain.error:.1f} "
        f"points over fine-tuning are expected with {task}"
    )


def is_candidate(recipe):
    """Whether any weights and photos have all that the method needs."""
    return not (recipe.needs_source_head or recipe.needs_unlabelled)
