"""Which network and which method to take for some photos."""

from __future__ import annotations

import gc
import math
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

from kerastl.apps.choice.choice import Candidate
from kerastl.apps.choice.choice import Choice
from kerastl.apps.choice.choose_method import is_candidate
from kerastl.apps.choice.evidence import BASELINE
from kerastl.apps.choice.evidence import expected_gains
from kerastl.apps.choice.networks import judge_network
from kerastl.apps.choice.trials import count_folds
from kerastl.apps.choice.trials import try_candidates
from kerastl.apps.choice.weights_at_hand import Weights
from kerastl.apps.choice.weights_at_hand import preset_of
from kerastl.apps.choice.weights_at_hand import usual_places
from kerastl.apps.choice.weights_at_hand import weights_at_hand
from kerastl.apps.choice.weights_at_hand import with_width
from kerastl.apps.data.load_task import load_task
from kerastl.apps.data.reading_progress import shows_reading
from kerastl.apps.presets.preset_table import get_preset
from kerastl.apps.recipes.recipe_table import RECIPES
from kerastl.apps.texts import say
from kerastl.arguments import as_names
from kerastl.arguments import as_paths
from kerastl.arguments import checked_count
from kerastl.arguments import checked_number
from kerastl.arguments import checked_path
from kerastl.arguments import needed_seed
from kerastl.types import PathLike

if TYPE_CHECKING:
    from rich.console import Console

# Of a network's features alone; two networks that differ by less may come
# out the other way round when they are trained.
_FEATURE_ERROR = 3.0
# Forward and backward, measured against forward alone; and what a training
# takes before its first step.
_STEP_COST = 3.5
_START_SECONDS = 10.0
# Share of the time in which a further network is looked at, small ones first.
_LOOKS = 0.5
_NO_TRIAL = (
    "no time for trials: one takes about {:.1f} minutes, and two are compared "
    "(--minutes gives more time, --image-size takes less)"
)
# More would share the time too thinly.
_MOST_CANDIDATES = 4


def choose(
    photos: PathLike,
    presets: Iterable[str] | None = None,
    weights: PathLike | Iterable[PathLike] | None = None,
    alpha: float | None = None,
    image_size: int | None = None,
    shots: int | None = None,
    epochs: int = 20,
    batch_size: int = 32,
    minutes: float = 5.0,
    augment: str = "light",
    seed: int = 0,
    console: Console | None = None,
) -> Choice:
    """Says which network and which method will do best on some photos.

    First what is cheap: every network whose weights are at hand looks at the
    training photos once, and nearest neighbours, a linear discriminant and
    logistic regression on its features say how well it tells the classes
    apart. Then what the committed measurements say of each method, for so
    many photos a class and features that tell so much. Then, while there is
    time, the three or four best are trained on folds of the photos, by
    successive halving; both are weighed by how sure they are.

    Only the training photos are looked at: the test photos of a run that
    follows are as new to it as without.

    Args:
        photos: Folder of class folders, as for `apps.fine_tune`, or
            `"digits"`.
        presets: Names of the networks to choose from. Defaults to all whose
            weights are found.
        weights: Files, and folders of files, that hold weights, told apart by
            their names; or one file of any name for a single preset. Defaults
            to Keras's downloads and a folder `weights` beside the photos.
        alpha: Width, for a single MobileNet whose file does not tell it.
        image_size: Height and width. Defaults to each preset's.
        shots: Training images a class; `None` uses all.
        epochs: Number of epochs of a training.
        batch_size: Images in a batch.
        minutes: Time for all of it. Too little for a training leaves the
            first two parts.
        augment: As in `apps.load_image_folder`.
        seed: Seed of everything that is drawn.
        console: `rich.console.Console` to show progress on; `None` is silent.

    Returns:
        A `Choice`.

    Raises:
        FileNotFoundError: There are no such photos, or no weights at hand.
        ValueError: An argument does not fit, or no weights belong to the
            network that their name says; of several, those are left out.

    Example:

    ```python
    choice = kerastl.apps.choose("photos", shots=25, minutes=5)
    print(choice.command)
    ```
    """
    started = time.monotonic()
    photos = checked_path("photos", photos)
    minutes = checked_number("minutes", minutes, above=0)
    epochs = checked_count("epochs", epochs)
    seed = needed_seed("seed", seed)
    ends = started + 60 * minutes
    found = _find_weights(photos, presets, weights, alpha)
    networks, loaded, left_out = [], {}, []
    for each in found:
        if networks and time.monotonic() > started + _LOOKS * 60 * minutes:
            left_out.append(each.label)
            continue
        size = image_size
        if size is None:
            size = get_preset(each.preset).default_size
        if size not in loaded:
            with shows_reading(console):
                loaded[size] = load_task(
                    photos, size, batch_size, shots, seed, augment
                )
        try:
            networks.append(judge_network(each, loaded[size]))
        except ValueError as error:
            # Its name may mislead; of several, the others are left.
            if len(found) == 1:
                raise
            say(console, f"{each.path.name} is left out: {error}")
            continue
        scores = networks[-1].scores
        say(
            console,
            f"{each.label}, {size} px: {100 * scores.neighbours:.1f} % by "
            f"nearest neighbours, {100 * scores.discriminant:.1f} % by LDA",
        )
    if not networks:
        raise ValueError(
            "None of the weights fit the networks that they are named after. "
            f"Received: {', '.join(str(each.path) for each in found)}"
        )
    if left_out:
        say(console, f"no time to look at {', '.join(left_out)}")
    data = networks[0].data
    candidates = find_candidates(networks, epochs)
    reference = candidates[0]
    folds = count_folds(data.parts["train"].labels)
    trained = try_candidates(
        candidates,
        reference,
        networks,
        folds,
        epochs,
        ends,
        lambda line: say(console, line),
    )
    if folds and not trained:
        say(console, _NO_TRIAL.format(reference.seconds / 60))
    for network in networks:
        network.source = None
    gc.collect()
    return Choice(
        photos=photos,
        networks=networks,
        candidates=candidates,
        settings={
            "image_size": image_size,
            "shots": shots,
            "epochs": epochs,
            "batch_size": batch_size,
            "augment": augment,
            "seed": seed,
        },
        trainings=trained,
        left_out=left_out,
        seconds=time.monotonic() - started,
    )


def find_candidates(networks, epochs):
    """What is worth a trial: the best few, fine-tuning of the best first.

    Args:
        networks: List of `JudgedNetwork`.
        epochs: Number of epochs.

    Returns:
        List of `Candidate`. The first is plain fine-tuning of the network
        whose features are the best: the reference of all.
    """
    best = max(range(len(networks)), key=lambda place: networks[place].probe)
    made = []
    for place, network in enumerate(networks):
        part = network.data.parts["train"]
        apart = 100 * (network.probe - networks[best].probe)
        unsure = 0.0 if place == best else _FEATURE_ERROR
        gains = expected_gains(network.task)
        for method, gain in gains.items():
            recipe = RECIPES[method]
            if not is_candidate(recipe):
                continue
            made.append(
                Candidate(
                    place,
                    method,
                    apart + gain.points,
                    math.hypot(unsure, gain.error),
                    _START_SECONDS
                    + _STEP_COST
                    * (recipe.cost or 1.0)
                    * network.seconds
                    * len(part)
                    * epochs,
                )
            )
    reference = next(
        each
        for each in made
        if each.network == best and each.method == BASELINE
    )
    made.remove(reference)
    made.sort(key=lambda each: each.points + each.error, reverse=True)
    return [reference, *made[: _MOST_CANDIDATES - 1]]


def _find_weights(photos, presets, weights, alpha):
    presets = None if presets is None else as_names(presets)
    for name in presets or ():
        get_preset(name)
    if weights is not None:
        weights = as_paths("weights", weights)
    for place in weights or ():
        if not place.exists():
            raise FileNotFoundError(
                "There are no such weights. Give a file, or a folder of "
                f"files. Received: weights={str(place)!r}"
            )
    if presets and len(presets) == 1 and weights and len(weights) == 1:
        path = weights[0]
        if path.is_file() and (alpha or preset_of(path.name) != presets[0]):
            return [Weights(presets[0], with_width(presets[0], alpha), path)]
    if alpha is not None:
        raise ValueError(
            "A width belongs to one file of one MobileNet. Name both, "
            "`presets` (--preset) and `weights` (--weights), or leave `alpha` "
            f"(--alpha) out. Received: alpha={alpha}, presets={presets}, "
            f"weights={weights}"
        )
    places = weights or usual_places(photos)
    found = [
        each
        for each in weights_at_hand(places)
        if not presets or each.preset in presets
    ]
    if not found:
        raise FileNotFoundError(
            "There are no weights at hand to choose from. Name a file, or a "
            "folder of them, `weights` (--weights): files that are called as "
            "those of keras.applications, or mobilenet_v2_0.35.weights.h5. "
            "Those of ImageNet come with the first kerastl finetune that asks "
            "for them. Received: "
            f"presets={presets}, looked in {', '.join(map(str, places))}"
        )
    return sorted(found, key=lambda each: each.path.stat().st_size)
