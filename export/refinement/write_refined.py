"""Writes a file as it comes, and refined, and keeps the better one."""

import dataclasses
import os
import time

import numpy as np

from kerastl.export.refinement.record import RefinementRecord
from kerastl.export.refinement.refine import num_images_within
from kerastl.export.refinement.refine import refine
from kerastl.export.runner import load
from kerastl.export.trust import trust_file
from kerastl.export.verify import verify

# With fewer images there is none to spare for judging.
_FEWEST = 10
# What a fit to more would gain is less than the rounding of activations.
_MOST = 100
# Every so many images one judges.
_EVERY = 5
# Of the largest tensor, in float.
_MOST_BYTES = 500_000_000


def write_refined(
    write, lowered, output_name, scheme, images, path, steps, truth
):
    """Writes the file of a network whose weights are refined if that helps.

    Both files are run: the refined one is kept where it differs less from the
    float network on calibration images that it was not fitted to.

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
        The notes of `write`, and a `RefinementRecord`.
    """
    record = RefinementRecord(list(steps))
    notes = write(lowered, output_name, scheme, images, path)
    if len(images) < _FEWEST:
        record.reason = (
            f"it takes at least {_FEWEST} calibration images, and "
            f"{len(images)} were given"
        )
        return notes, record
    fit, held = _split(images, lowered.model)
    record.num_images, record.num_held_out = len(fit), len(held)
    model, record.layers = refine(
        lowered.model,
        fit,
        held,
        steps,
        per_channel=scheme.name != "int8_per_tensor",
        rounds=scheme.name != "int16x8",
        seconds=record.seconds,
    )
    record.gains = {step: _gain(step, steps, record.layers) for step in steps}
    if not any(layer.done for layer in record.layers):
        record.reason = "no layer became better"
        return notes, record
    start = time.perf_counter()
    refined = dataclasses.replace(lowered, model=model)
    other = path.with_name(f"refined-{path.name}")
    refined_notes = write(refined, output_name, scheme, images, other)
    record.plain, record.refined = (
        _compare(each, held, truth) for each in (path, other)
    )
    record.seconds["files"] = time.perf_counter() - start
    plain, found = (
        each["mean_abs_difference"] for each in (record.plain, record.refined)
    )
    record.kept = found < plain
    better = "less" if record.kept else "no less"
    record.reason = (
        f"it differs {better} from the float network on {len(held)} "
        f"calibration images held out: {found:.2g}, the plain file {plain:.2g}"
    )
    if not record.kept:
        other.unlink()
        return notes, record
    os.replace(other, path)
    return refined_notes, record


def _split(images, model):
    """Images to fit to and images to judge on, as many as memory holds."""
    most = min(_MOST, max(num_images_within(model, _MOST_BYTES), _FEWEST))
    if len(images) > most:
        chosen = np.linspace(0, len(images) - 1, most).round().astype(int)
        images = images[chosen]
    judges = np.arange(len(images)) % _EVERY == _EVERY - 1
    return images[~judges], images[judges]


def _compare(path, images, truth):
    trust_file(path)
    found = verify(truth, load(path), [(images, None)])
    return {
        "mean_abs_difference": found.mean_abs_difference,
        "top1_agreement": found.top1_agreement,
    }


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
