"""Refines the weights of a network for its int8 file."""

import dataclasses
import time
from collections import Counter

import numpy as np
from threadpoolctl import threadpool_limits

from kerastl.export.quantization import node_kinds
from kerastl.export.quantization.four_bits import LARGEST as FOUR_BITS
from kerastl.export.quantization.four_bits import has_four_bits
from kerastl.export.quantization.freeze import float_layers
from kerastl.export.refinement.equalise import equalise
from kerastl.export.refinement.kernel_matrix import KernelMatrix
from kerastl.export.refinement.kernel_matrix import is_clustered
from kerastl.export.refinement.kernel_rounding import LARGEST
from kerastl.export.refinement.kernel_rounding import KernelData
from kerastl.export.refinement.kernel_rounding import KernelGrid
from kerastl.export.refinement.kernel_rounding import calibrated_rounding
from kerastl.export.refinement.record import LayerRecord
from kerastl.export.refinement.refinable_copy import Schedule
from kerastl.export.refinement.refinable_copy import find_pixels
from kerastl.export.refinement.refinable_copy import offset_to_levels
from kerastl.export.refinement.refinable_copy import refinable_copy
from kerastl.export.refinement.refinable_copy import shifting_layer
from kerastl.export.refinement.streams import Levels
from kerastl.export.refinement.streams import Streams
from kerastl.surgery.find_kernels import find_kernels

# A matrix of moments takes eight bytes times the square.
_MOST_INPUTS = 4608


def refine(
    model,
    fit,
    held,
    steps,
    per_channel=True,
    rounds=True,
    four_bits=None,
    seconds=None,
):
    """Makes a network whose int8 file answers more like the float one.

    Images flow through the network once in float, and once as an int8 file
    computes: each kernel is refined for what reaches it from the refined and
    rounded layers before.

    "pixels" writes the scaling of bytes as one kernel. "equalisation" gives the
    channels of a tensor the same share of its levels. "rounding" chooses the
    integers of a kernel so that the outputs change least, not each weight by
    itself (GPTQ). The largest weight of each channel stays, so that a
    converter finds just these integers. "bias" shifts the outputs of each
    kernel so that their mean is that of the float network. What does not help
    on the held-out images is not done.

    Args:
        model: Functional float32 model.
        fit: float32 array of images that the weights are fitted to.
        held: Images that judge.
        steps: Names of `kerastl.export.refinement.write_refined.STEPS`.
        per_channel: Whether each channel of a kernel has a scale.
        rounds: Whether activations have 8 bits.
        four_bits: Which kernels have four bits, see `has_four_bits`.
        seconds: Dict that gets the seconds of each step, or `None`.

    Returns:
        The refined model, a copy, a list of `LayerRecord`s, and the
        `Equalised` of "equalisation", or `None`.

    Reference:
        Nagel et al., "Data-Free Quantization Through Weight Equalization and
        Bias Correction", ICCV 2019, section 4.2 and appendix D (the empirical
        correction); Frantar et al., "GPTQ", ICLR 2023.
    """
    pixels = None
    if "pixels" in steps and rounds and _are_bytes(fit, held):
        pixels = find_pixels(model)
    copy = refinable_copy(model, pixels)
    schedule = Schedule(copy)
    seconds = {} if seconds is None else seconds
    start = time.perf_counter()
    equalised = None
    if "equalisation" in steps and rounds:
        equalised = equalise(copy, schedule, fit, fixed=pixels)
        seconds["equalisation"] = time.perf_counter() - start
    grid = _Grid(per_channel, four_bits)
    refiner = _Refiner(schedule, steps, grid, seconds, pixels)
    # Threads that wait for each other cost more than such matrices.
    with threadpool_limits(1):
        records = refiner.run(fit, held, rounds, equalised)
    seconds["flow"] = time.perf_counter() - start - sum(seconds.values())
    for path in _float_kernels(copy):
        reason = "it has no 8-bit form that is known"
        records.append(LayerRecord(path, left=dict.fromkeys(steps, reason)))
    return copy, records, equalised


@dataclasses.dataclass
class _Grid:
    """The levels of a file: scales, and which kernels have few."""

    per_channel: bool
    four_bits: str | None

    def largest(self, layer):
        few = self.four_bits and has_four_bits(layer, self.four_bits)
        return FOUR_BITS if few else LARGEST


class _Refiner:
    def __init__(self, schedule, steps, grid, seconds, pixels):
        # Of one kernel at a time.
        self._steps = [step for step in steps if step in ("rounding", "bias")]
        self._pixels = pixels
        self._grid = grid
        self._schedule = schedule
        self._calls = Counter(
            id(call.operation)
            for group in self._schedule.groups
            for call in group.calls
        )
        self._seconds = seconds
        self._seconds.update(dict.fromkeys(self._steps, 0.0))

    def run(self, fit, held, rounds, equalised):
        streams = Streams(self._schedule, (fit, held), rounds)
        records = []
        for index, group in enumerate(self._schedule.groups):
            if group.kernel is None:
                streams.run_float(index)
                streams.run_rounded(index)
                continue
            kernel = _Kernel(
                group, self._schedule.path(group.kernel), self._grid
            )
            records.append(kernel.record)
            if equalised is not None:
                equalised.note(kernel.record, group)
            if kernel.layer.name == self._pixels:
                kernel.record.done.append("pixels")
                streams.run_float(index)
                self._move(kernel, streams)
                streams.run_rounded(index)
                continue
            self._refine(kernel, streams)
            streams.run_float(index)
            kernel.write_rounded()
            streams.run_rounded(index)
            kernel.write_kept()
        return records

    def _move(self, kernel, streams):
        """Puts scaled bytes on levels; the next bias sees to the rest."""
        if "bias" in self._steps:
            distance = offset_to_levels(kernel.layer)
            kernel.layer.bias.assign_add(
                np.full(kernel.layer.bias.shape, distance)
            )
            streams.move(kernel.output, distance)

    def _refine(self, kernel, streams):
        steps = [
            step for step in self._steps if not self._is_left(step, kernel)
        ]
        if not steps:
            return
        start = time.perf_counter()
        data = KernelData(
            kernel.matrix,
            streams.windows(kernel.input, kernel.matrix),
            streams.num_fit,
            "rounding" in steps,
            "bias" in steps,
        )
        if not data.is_finite():
            reason = "NaN or infinite values reach it"
            kernel.record.left.update(dict.fromkeys(steps, reason))
            return
        kernel.offer_nearest(data)
        for step in steps:
            if step == "rounding":
                kernel.offer_rounding(data, "bias" in steps)
            else:
                kernel.offer_bias(data)
            self._seconds[step] += time.perf_counter() - start
            start = time.perf_counter()
        kernel.choose(steps)

    def _is_left(self, step, kernel):
        """Notes why a step cannot be done to a kernel."""
        reason = None
        if self._calls[id(kernel.layer)] > 1:
            reason = "it is called more than once"
        elif step == "bias":
            shifts = kernel.shifts
            if shifts is not None and self._calls[id(shifts)] > 1:
                reason = "its normalization is called more than once"
        elif kernel.matrix.num_inputs > _MOST_INPUTS:
            reason = f"it sums more than {_MOST_INPUTS} values"
        elif kernel.is_clustered():
            reason = "its weights are clustered"
        if reason is not None:
            kernel.record.left[step] = reason
        return reason is not None


@dataclasses.dataclass
class _Offer:
    """Weights and a shift that a kernel may get.

    Attributes:
        steps: What was done.
        rounded: The weights on their levels.
        mean: Of the errors of each output, on held-out images.
        variance: The same.
        shift: What is added to each output, or `None`.
    """

    steps: tuple
    rounded: np.ndarray
    mean: np.ndarray
    variance: np.ndarray
    shift: np.ndarray | None = None

    @property
    def error(self):
        return float((np.square(self.mean) + self.variance).sum())


class _Kernel:
    """One kernel on its way from float to 8 bits, or to 4."""

    def __init__(self, group, path, grid):
        self.layer = group.kernel.operation
        self.input, self.output = (
            group.kernel.inputs[0],
            group.calls[0].outputs[0],
        )
        self.record = LayerRecord(path)
        self.shifts = None
        if not self.layer.use_bias:
            self.shifts = shifting_layer(group)
        self.matrix = KernelMatrix(self.layer)
        self._weights = self.matrix.read()
        factors = np.ones(self._weights.shape[:2])
        for node in group.affine:
            factor = node_kinds.affine_coefficients(node)[0]
            factors = factors * np.broadcast_to(factor, factors.size).reshape(
                factors.shape
            )
        self._largest = grid.largest(self.layer)
        self._grid = KernelGrid(
            self._weights, factors, grid.per_channel, self._largest
        )
        nearest = self._grid.weights(self._grid.nearest())
        nothing = np.zeros(nearest.shape[:2])
        self._offers = [_Offer((), nearest, nothing, nothing)]
        self._power = 1.0
        self._best = self._offers[0]

    def is_clustered(self):
        return is_clustered(self._weights)

    def offer_nearest(self, data):
        """Judges the weights as a converter rounds them."""
        [plain] = self._offers
        plain.mean, plain.variance = data.judge(self._weights, plain.rounded)
        self._power = data.power(self._weights)

    def offer_rounding(self, data, centred):
        """Rounds with `data` where that is better than the nearest level."""
        [plain] = self._offers
        levels = calibrated_rounding(
            self._grid.levels(),
            data.moments,
            self._grid.fixed,
            self._largest,
        )
        rounded = self._grid.weights(levels)
        mean, variance = data.judge(self._weights, rounded)
        old, new = plain.variance, variance
        if not centred:  # no bias will take the mean away
            old, new = old + np.square(plain.mean), new + np.square(mean)
        better = new < old
        if better.any():
            self._offers.append(
                _Offer(
                    ("rounding",),
                    np.where(better[..., None], rounded, plain.rounded),
                    np.where(better, mean, plain.mean),
                    np.where(better, variance, plain.variance),
                )
            )

    def offer_bias(self, data):
        """Shifts the outputs so that their means are those of the float."""
        for offer in [*self._offers]:
            shift = data.mean_error(self._weights, offer.rounded)
            self._offers.append(
                dataclasses.replace(
                    offer,
                    steps=(*offer.steps, "bias"),
                    mean=offer.mean - shift,
                    shift=shift,
                )
            )

    def choose(self, steps):
        """Takes the best of what was offered, and notes it."""
        self._best = min(self._offers, key=lambda offer: offer.error)
        allowed, record = set(), self.record
        record.plain_error = self._offers[0].error / self._power
        for step in steps:
            allowed.add(step)
            error = min(
                each.error for each in self._offers if {*each.steps} <= allowed
            )
            record.errors[step] = error / self._power
            if step in self._best.steps:
                record.done.append(step)
            else:
                record.left[step] = "no better on held-out images"

    def write_rounded(self):
        """Gives the layer what a file computes with."""
        self.matrix.write(self._best.rounded)
        if self._best.shift is None:
            return
        shift = self.matrix.to_channels(self._best.shift).astype("float32")
        if self.shifts is None:
            self.layer.bias.assign_add(shift)
        else:
            self.shifts.moving_mean.assign_sub(shift)

    def write_kept(self):
        """Gives the layer what a converter is to round."""
        # It would not find four bits in them: they are not its nearest.
        if "rounding" not in self.record.done and self._largest == LARGEST:
            self.matrix.write(self._weights)


def _are_bytes(*images):
    ends = min(map(np.min, images)), max(map(np.max, images))
    return Levels.between(*map(float, ends)) == Levels(1.0, 0)


def _float_kernels(model):
    """Paths of the layers with kernels that no 8-bit form is known of."""
    paths = float_layers(model)
    try:
        names = {kernel.layer.name for kernel in find_kernels(model)}
    except ValueError:  # none at all
        return []
    return [path for path in paths if path.rpartition("/")[2] in names]
