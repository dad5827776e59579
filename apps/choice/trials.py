"""Trials of candidates on folds of the photos, within a time."""

import time

import keras
import numpy as np

from kerastl.apps.data.image_data import ImageData
from kerastl.apps.recipes.recipe_table import get_recipe
from kerastl.apps.runs.prepare_student import prepare_student
from kerastl.apps.runs.train_network import train_network
from kerastl.export import load

# A training has to begin, whatever is trained: graphs are made.
_SPARE = 1.15


def try_candidates(candidates, reference, networks, folds, epochs, ends, say):
    """Trains candidates on one fold after the other, and drops the worse.

    Successive halving: after every fold the worse half is out, until two are
    left. A training that would not end in time is not begun; the candidates
    that look best come first.

    Args:
        candidates: List of `Candidate`; each gets its `hits`.
        reference: The one that differences are to; it is never dropped.
        networks: The judged networks, with `data`, `source` and `rate`.
        folds: Number of folds.
        epochs: Number of epochs.
        ends: When the time is over, of `time.monotonic`.
        say: Called with a line of text for every training.

    Returns:
        Number of trainings.
    """
    alive, done = list(candidates), 0
    split = {}
    for fold in range(folds):
        if fold and not _two_fit(alive, reference, ends):
            break
        ran = []
        # Without the reference on the fold there is nothing to compare with.
        for candidate in sorted(alive, key=lambda each: _turn(each, reference)):
            if time.monotonic() + _SPARE * candidate.seconds > ends:
                continue
            network = networks[candidate.network]
            if candidate.network not in split:
                split[candidate.network] = make_folds(network.data, folds)
            started = time.monotonic()
            hits = _train(
                candidate, network, split[candidate.network][fold], epochs
            )
            _take_time(candidate, candidates, time.monotonic() - started)
            candidate.hits.append(hits)
            ran.append(candidate)
            done += 1
            say(
                f"fold {fold + 1} of {folds}: {network.label}, "
                f"{candidate.method} {100 * hits.mean():.1f} % "
                f"({candidate.seconds:.0f} s)"
            )
        if len(ran) < 2 or reference not in ran:
            break
        alive = _better_half(ran, reference)
    return done


def _two_fit(alive, reference, ends):
    """Whether there is time to compare the reference with any other."""
    quickest = min(each.seconds for each in alive if each is not reference)
    needed = _SPARE * (reference.seconds + quickest)
    return time.monotonic() + needed <= ends


def _turn(candidate, reference):
    """The reference first, then what looks best."""
    return candidate is not reference, -candidate.judged(reference)[0]


def _take_time(candidate, candidates, seconds):
    """Keeps the time of a training; it tells of the network's others too."""
    ratio = seconds / candidate.seconds if candidate.seconds else 1.0
    for other in candidates:
        if other.network == candidate.network and not other.hits:
            other.seconds *= ratio
    candidate.seconds = seconds


def _better_half(alive, reference):
    keep = max(2, -(-len(alive) // 2))
    rest = [each for each in alive if each is not reference]
    rest.sort(key=lambda each: each.judged(reference)[0], reverse=True)
    return [reference, *rest[: keep - 1]]


def _train(candidate, network, data, epochs):
    keras.utils.set_random_seed(data.seed)
    student, _ = prepare_student(
        network.source, num_classes=data.num_classes, seed=data.seed
    )
    images, labels = data.images("validation")
    recipe = get_recipe(candidate.method)
    try:
        student, _ = train_network(
            student,
            network.source,
            recipe,
            data,
            epochs,
            learning_rate=recipe.highest_rate(
                network.rate, epochs * data.steps_per_epoch
            ),
            validate=False,
            seed=data.seed,
            new_head=True,
        )
    except FloatingPointError:
        return np.zeros(len(labels), bool)
    scores = load(student).classify(images.astype("float32"))
    return scores.argmax(axis=-1) == labels


_MOST = 5


def count_folds(labels) -> int:
    """How many folds there can be: five, or as many as the smallest class has.

    Args:
        labels: Integer labels of the training photos.

    Returns:
        At least 2; 0 where a class has one photo.
    """
    smallest = int(np.bincount(labels).min())
    return 0 if smallest < 2 else min(_MOST, smallest)


def make_folds(data, count):
    """Splits the training photos, the classes evenly.

    Args:
        data: An `apps.ImageData`.
        count: Number of folds.

    Returns:
        A list of `ImageData`: the training photos without a fold, and that
        fold as the validation part.
    """
    from sklearn.model_selection import StratifiedKFold

    part = data.parts["train"]
    splitter = StratifiedKFold(count, shuffle=True, random_state=data.seed)
    return [
        ImageData(
            {"train": part.take(kept), "validation": part.take(held)},
            data.class_names,
            data.image_size,
            batch_size=data.batch_size,
            augmentation=data.augmentation,
            seed=data.seed,
        )
        for kept, held in splitter.split(np.zeros(len(part)), part.labels)
    ]
