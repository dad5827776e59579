"""Images that flow through a network twice, in float and in 8 bits."""

import dataclasses

import keras
import numpy as np

from kerastl.export.quantization import node_kinds
from kerastl.export.quantization.quantized_activation import FIXED_RANGES
from kerastl.export.quantization.quantized_activation import FUSED
from kerastl.export.quantization.quantized_activation import nudged_range

_STEPS = 255


@dataclasses.dataclass(frozen=True)
class Levels:
    """256 levels at equal distances, one of them zero.

    Attributes:
        scale: Distance of two levels.
        zero_point: Which of the levels is zero.
    """

    scale: float
    zero_point: int

    @classmethod
    def between(cls, low, high):
        """The levels of a tensor with values between `low` and `high`."""
        low, high = nudged_range(min(low, 0.0), max(high, 0.0))
        scale = (high - low) / _STEPS
        return cls(scale, round(-low / scale))

    def codes(self, values):
        """Returns the numbers of the nearest levels, as uint8."""
        codes = values * np.float32(1 / self.scale)
        np.rint(codes, out=codes)
        codes += np.float32(self.zero_point)
        np.clip(codes, 0, _STEPS, out=codes)
        # NaN has no level; whoever reads it is not refined.
        with np.errstate(invalid="ignore"):
            return codes.astype("uint8")

    def values(self, codes):
        """Returns the float32 values of level numbers."""
        values = codes.astype("float32")
        values -= np.float32(self.zero_point)
        values *= np.float32(self.scale)
        return values

    def rounded(self, values):
        """Returns the values of the nearest levels."""
        return self.values(self.codes(values))


# Each call costs milliseconds, however few images it is for.
_BATCH_BYTES = 32_000_000
_LARGEST_BATCH = 32
# So many images are looked at in the same places.
_SAME_PLACES = 8
_FIXED = {name: Levels.between(*ends) for name, ends in FIXED_RANGES.items()}


def batches(schedule, images):
    """Returns images in parts of which a network's tensors take little."""
    size = min(schedule.num_images_within(_BATCH_BYTES), _LARGEST_BATCH)
    return [
        images[start : start + size] for start in range(0, len(images), size)
    ]


class Streams:
    """What is alive of a network's tensors, of all images.

    Args:
        schedule: `Schedule` of the network.
        images: Pair of float32 arrays; no batch has images of both.
        rounds: Whether activations have 8 bits.

    Attributes:
        num_fit: How many of the batches are of the first array.
    """

    def __init__(self, schedule, images, rounds=True):
        self._schedule = schedule
        self._rounds = rounds
        self._float, self._low = {}, {}
        self._levels, self._ends = {}, {}
        fit, held = (batches(schedule, part) for part in images)
        self.num_fit = len(fit)
        parts = [*fit, *held]
        self._num_batches = len(parts)
        self._float[0] = parts
        low = min(float(part.min()) for part in parts)
        high = max(float(part.max()) for part in parts)
        self._low[0] = self._coded(0, parts, low, high)

    def windows(self, number, matrix):
        """Yields what a kernel lies on, in float and in 8 bits, by batches.

        Args:
            number: The tensor that the kernel reads.
            matrix: `KernelMatrix` of the kernel.
        """
        levels = self._levels.get(number)
        zero = 0 if levels is None else levels.zero_point
        for index in range(self._num_batches):
            rows = _windows(matrix, self._float[number][index], index, 0)
            low = _windows(matrix, self._low[number][index], index, zero)
            yield rows, low if levels is None else levels.values(low)

    def run_float(self, index):
        """Runs a group in float, and measures what it rounds."""
        group = self._schedule.groups[index]
        kept = self._kept(index)
        ranges = {}
        made = {number: [] for number in kept}
        inputs = group.inputs()
        for batch in range(self._num_batches):
            values = {n: self._float[n][batch] for n in inputs}
            self._free(self._float, inputs, index, batch)
            for call in group.calls:
                call.repeat(values)
                for number in call.outputs:
                    if number in self._schedule.rounded:
                        part = values[number]
                        low, high = ranges.get(number, (0.0, 0.0))
                        ranges[number] = (
                            min(low, float(keras.ops.min(part))),
                            max(high, float(keras.ops.max(part))),
                        )
            for number in kept:
                made[number].append(keras.ops.convert_to_numpy(values[number]))
        self._float.update(made)
        if self._rounds:
            for number, ends in ranges.items():
                if np.isfinite(ends).all():
                    self._ends[number] = ends
                    self._levels[number] = Levels.between(*ends)

    def move(self, number, distance):
        """Tells that the 8-bit values of a tensor are moved."""
        if number in self._levels:
            low, high = self._ends[number]
            self._levels[number] = Levels.between(
                low + distance, high + distance
            )

    def run_rounded(self, index):
        """Runs a group with rounded activations."""
        group = self._schedule.groups[index]
        kept = self._kept(index)
        made = {number: [] for number in kept}
        inputs = group.inputs()
        read = {number for call in group.calls for number in call.inputs}
        for batch in range(self._num_batches):
            values = {n: self._value(n, batch) for n in inputs}
            self._free(self._low, inputs, index, batch)
            for call in group.calls:
                self._run_call(call, values)
                for number in call.outputs:
                    levels = self._levels.get(number)
                    if levels is None:
                        continue
                    part = keras.ops.convert_to_numpy(values[number])
                    codes = levels.codes(part)
                    if number in kept:
                        made[number].append(codes)
                    if number in read:
                        values[number] = levels.values(codes)
            for number in kept:
                if number not in self._levels:
                    made[number].append(
                        keras.ops.convert_to_numpy(values[number])
                    )
        self._low.update(made)
        for number in [*self._float]:
            if self._schedule.last_reader.get(number, -1) <= index:
                del self._float[number], self._low[number]
                self._levels.pop(number, None)

    def _run_call(self, call, values):
        name = node_kinds.activation_name(call.node)
        kind = node_kinds.node_kind(call.node)
        if (
            not self._rounds
            or kind != node_kinds.ACTIVATION
            or name in (*FUSED, None)
        ):
            call.repeat(values)
        elif name == "silu":
            x = keras.ops.convert_to_numpy(values[call.inputs[0]])
            gate = keras.ops.convert_to_numpy(keras.ops.sigmoid(x))
            values[call.outputs[0]] = x * _FIXED["sigmoid"].rounded(gate)
        else:
            call.repeat(values)
            if name in _FIXED:
                [number] = call.outputs
                part = keras.ops.convert_to_numpy(values[number])
                values[number] = _FIXED[name].rounded(part)

    def _kept(self, index):
        """Numbers that a group makes and a later one reads."""
        return [
            number
            for call in self._schedule.groups[index].calls
            for number in call.outputs
            if self._schedule.last_reader.get(number, -1) > index
        ]

    def _free(self, stored, inputs, index, batch):
        for number in inputs:
            if self._schedule.last_reader[number] == index:
                stored[number][batch] = None

    def _coded(self, number, parts, low, high):
        if not self._rounds:
            return [*parts]
        self._levels[number] = levels = Levels.between(low, high)
        return [levels.codes(part) for part in parts]

    def _value(self, number, batch):
        part = self._low[number][batch]
        levels = self._levels.get(number)
        return part if levels is None else levels.values(part)


def _windows(matrix, images, index, padding):
    """Windows of a batch, of which every few images show other places."""
    parts = [
        matrix.windows(
            images[start : start + _SAME_PLACES],
            (index * _LARGEST_BATCH + start) // _SAME_PLACES,
            padding,
        )
        for start in range(0, len(images), _SAME_PLACES)
    ]
    return np.concatenate(parts, axis=1)
