"""Writes a file as it comes, and refined, and keeps the better one."""

import dataclasses
import os
import pathlib
import time

import numpy as np

from kerastl.arguments import as_names
from kerastl.arguments import checked_text
from kerastl.arguments import unknown_name_error
from kerastl.export.refinement.record import RefinementRecord
from kerastl.export.refinement.refinable_copy import Schedule
from kerastl.export.refinement.refine import refine
from kerastl.export.runners.class_scores import predicted
from kerastl.export.runners.inference_model import Lowered
from kerastl.export.runners.runner import load
from kerastl.export.utils.release_memory import release_memory
from kerastl.export.utils.third_party import trust_file
from kerastl.surgery.carry_state import RemakeError

# With fewer images there is none to spare for judging.
_FEWEST = 10
# What a fit to more would gain is less than the rounding of activations.
_MOST = 100
# Every so many images one judges.
_EVERY = 5
# They go through both files and the network.
_MOST_JUDGES = 40
# And so many of their blends. What 20 say of two files that differ in one class
# of sixteen is no more than chance.
_MOST_BLENDS = 160
# Not one half, or two images would be two blends that are the same.
_BLEND = np.float32(0.6)
# Of the largest tensor, in float.
_MOST_BYTES = 200_000_000


@dataclasses.dataclass
class Written:
    """A file that was written.

    Attributes:
        lowered: The `Lowered` that is in it.
        notes: What `write` said of it.
        path: Where it lies.
    """

    lowered: Lowered
    notes: list
    path: pathlib.Path


def write_refined(
    write, lowered, output_name, scheme, images, path, steps, truth
):
    """Writes the file of a network whose weights are refined if that helps.

    Both files are run on blends of calibration images that nothing was fitted
    to. The refined one is kept where it differs less from the float network,
    by more than one standard error of that gain.

    Args:
        write: As in `export_model`.
        lowered: `Lowered` model.
        output_name: Name of the output.
        scheme: Row of `SCHEMES`, one that calibrates.
        images: Calibration images.
        path: Where to write.
        steps: Names of `STEPS`.
        truth: `Runner` of the float network.

    Returns:
        The `Written` at `path`, the plain one where that is another, or
        `None`, and a `RefinementRecord`.
    """
    record = RefinementRecord(list(steps))
    notes = write(lowered, output_name, scheme, images, path)
    plain = Written(lowered, notes, path)
    if len(images) < _FEWEST:
        record.reason = (
            f"it takes at least {_FEWEST} calibration images, and "
            f"{len(images)} were given"
        )
        return plain, None, record
    fit, held, judges = _split(images, lowered.model)
    record.num_images, record.num_held_out = len(fit), len(judges)
    release_memory()
    try:
        model, record.layers, equalised = refine(
            lowered.model,
            fit,
            held,
            steps,
            per_channel=scheme.name != "int8_per_tensor",
            rounds=scheme.name != "int16x8",
            four_bits=scheme.four_bits,
            seconds=record.seconds,
        )
    except RemakeError as error:
        # What is refined is a copy. The network itself can be written.
        record.reason = (
            f"the layer '{error.layer.name}' (of type "
            f"{type(error.layer).__name__}) cannot be made again from its "
            "config"
        )
        return plain, None, record
    record.gains = {
        step: _gain(step, steps, record.layers)
        for step in steps
        if any(step in layer.errors for layer in record.layers)
    }
    if equalised is not None:
        record.gains["equalisation"] = equalised.gain
    if not any(layer.done for layer in record.layers):
        record.reason = "no layer became better"
        return plain, None, record
    start = time.perf_counter()
    release_memory()
    refined = dataclasses.replace(lowered, model=model)
    other = path.with_name(f"refined-{path.name}")
    refined_notes = write(refined, output_name, scheme, images, other)
    release_memory()
    expected = [truth.predict(blends) for blends in _blends(judges)]
    record.plain, before = _compare(path, judges, expected, truth.kind)
    record.refined, after = _compare(other, judges, expected, truth.kind)
    record.seconds["files"] = time.perf_counter() - start
    record.kept = _is_less(after, before, len(judges))
    record.reason = (
        "the refined file differs "
        f"{'less' if record.kept else 'no less, chance aside,'} "
        f"from the float network on {len(after)} blends of {len(judges)} "
        f"images held out: {after.mean():.2g}, the plain one "
        f"{before.mean():.2g}"
    )
    if not record.kept:
        other.unlink()
        return plain, None, record
    plain.path = path.with_name(f"plain-{path.name}")
    os.replace(path, plain.path)
    os.replace(other, path)
    return Written(refined, refined_notes, path), plain, record


def _split(images, model):
    """Splits images in those to fit to, to judge layers, and to judge files.

    As many as memory holds flow through the network; files are judged on
    those that nothing was fitted to.
    """
    most = min(
        _MOST, max(Schedule(model).num_images_within(_MOST_BYTES), _FEWEST)
    )
    flow = np.arange(len(images))
    if len(images) > most:
        flow = np.linspace(0, len(images) - 1, most).round().astype(int)
    fit = np.delete(flow, np.s_[_EVERY - 1 :: _EVERY])
    held = flow[_EVERY - 1 :: _EVERY]
    judges = np.setdiff1d(np.arange(len(images)), fit)
    if len(judges) > _MOST_JUDGES:
        chosen = np.linspace(0, len(judges) - 1, _MOST_JUDGES)
        judges = judges[chosen.round().astype(int)]
    return images[fit], images[held], images[judges]


def _blends(images):
    """Mixes each image with a few others, one after the other.

    A network is sure of the photos that it was trained on: its probabilities
    are 0 and 1, whatever is rounded. Of a blend it is not. They come in
    batches, since all together may be as large as a network's tensors.
    """
    count = len(images)
    partners = min(max(_MOST_BLENDS // count, 1), count - 1)
    steps = np.linspace(0, count, partners + 2)[1:-1]
    for step in steps:
        others = np.roll(images, int(step), axis=0)
        yield _BLEND * images + (1 - _BLEND) * others


def _compare(path, judges, expected, kind):
    """What a file answers, and the mean difference for each blend."""
    trust_file(path)
    runner = load(path)
    differences, same = [], []
    for blends, truth in zip(_blends(judges), expected, strict=True):
        outputs = runner.predict(blends)
        differences.append(np.abs(outputs - truth).mean(1, dtype="float64"))
        same.append(predicted(outputs, kind) == predicted(truth, kind))
    differences = np.concatenate(differences)
    found = {
        "mean_abs_difference": float(differences.mean()),
        "top1_agreement": float(np.mean(same)),
    }
    return found, differences


def _is_less(after, before, count):
    """Whether differences fell by more than their chance.

    The blends of an image resemble each other: it counts once.
    """
    gain = (before - after).reshape(-1, count).mean(axis=0)
    chance = gain.std(ddof=1) / np.sqrt(count)
    return bool(gain.mean() > chance)


def _gain(step, steps, layers):
    """Geometric mean of the factors by which a step lowers the errors."""
    factors = []
    for layer in layers:
        if step not in layer.errors:
            continue
        before = layer.plain_error
        for each in steps[: steps.index(step)]:
            before = layer.errors.get(each, before)
        if before > 0 and layer.errors[step] > 0:
            factors.append(np.log(before / layer.errors[step]))
    return float(np.exp(np.mean(factors))) if factors else 1.0


#: Preprocessing that keeps bytes, equal ranges of the channels, calibrated
#: rounding of the kernels, and correction of the biases.
STEPS = ("pixels", "equalisation", "rounding", "bias")
#: Once the others are done, equalisation changes what files of fine-tuned
#: networks answer no more than chance does, so that it is not worth the time.
AUTO = ("pixels", "rounding", "bias")


def chosen_steps(refine):
    """Returns the steps that `refine` asks for, in the order of `STEPS`.

    Args:
        refine: "auto" for `AUTO`, "none", a name of `STEPS`, or several in a
            sequence.

    Raises:
        ValueError: If a name is unknown; it says the nearest.
    """
    names = () if refine is None else as_names(refine)
    if names == ["auto"]:
        return AUTO
    if names == ["none"]:
        return ()
    for name in names:
        if checked_text("refine", name) not in STEPS:
            raise unknown_name_error(
                "refinement", name, ("auto", "none", *STEPS)
            )
    return tuple(step for step in STEPS if step in names)
