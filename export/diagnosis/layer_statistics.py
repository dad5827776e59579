"""Adds up the errors of layers over batches of images."""

import math

import numpy as np

from kerastl.export.diagnosis.diagnosis import LayerError

# Each is run once more for every layer.
_NUM_OUTPUT_IMAGES = 4


class LayerStatistics:
    """Compares the tensors of a file with the layers that they belong to.

    Args:
        calls: `Call`s of the model.
        output: Place of the model's output.
        matches: Dict of place to `Match`.
    """

    def __init__(self, calls, output, matches):
        self._calls = calls
        self._output = output
        self._matches = matches
        self._sums = {place: _Sums() for place in matches}
        self._output_errors = None

    def update(self, images, found):
        """Adds a batch.

        Args:
            images: The images.
            found: What `FileGraph.run` returned for them.
        """
        own_run, from_file, errors = {0: images}, {0: images}, {}
        few = images[:_NUM_OUTPUT_IMAGES]
        for call in self._calls:
            exact = call.run(own_run)
            given = call.run(from_file)
            own_run |= exact
            from_file |= given
            for place in call.outputs:
                match = self._matches.get(place)
                if match is None:
                    continue
                received = match.as_layer(
                    found[match.tensor.key], given[place].shape
                )
                self._sums[place].add(
                    exact[place],
                    given[place],
                    received,
                    match.tensor.quantization,
                )
                from_file[place] = received
                errors[place] = (received - given[place])[: len(few)]
        if self._output_errors is None:
            self._output_errors = output_errors(
                self._calls, self._output, errors, few
            )

    def result(self):
        """Returns a dict of place to `LayerError`, in the order they run."""
        merged = self._merged()
        rows = {}
        for call in self._calls:
            for place in call.outputs:
                if place in self._matches:
                    rows[place] = self._sums[place].row(
                        call,
                        self._matches[place].tensor,
                        len(rows),
                        merged.get(place, ()),
                        self._output_errors[place],
                    )
        return rows

    def _merged(self):
        """Names the layers that have no tensor beside those that they feed."""
        readers = {}
        for call in self._calls:
            for place in call.inputs:
                readers.setdefault(place, []).append(call)
        owner, merged = {}, {}
        for call in reversed(self._calls):
            for place in call.outputs:
                if place in self._matches:
                    owner[place] = place
                    continue
                owners = [
                    owner[each]
                    for reader in readers.get(place, ())
                    for each in reader.outputs
                    if each in owner
                ]
                if owners:
                    owner[place] = owners[0]
                    merged.setdefault(owners[0], []).insert(0, call.path)
        return {
            place: tuple(dict.fromkeys(names))
            for place, names in merged.items()
        }


class _Sums:
    def __init__(self):
        self.count = self.outside = 0
        self.signal = self.noise = self.rounding = self.clipping = 0.0
        self.exact = self.total_noise = self.received = self.product = 0.0
        self.low, self.high = math.inf, -math.inf

    def add(self, exact, given, received, quantization):
        self.count += exact.size
        self.low = min(self.low, float(exact.min()))
        self.high = max(self.high, float(exact.max()))
        self.signal += power(given)
        self.noise += power(received - given)
        self.exact += power(exact)
        self.received += power(received)
        self.total_noise += power(received - exact)
        self.product += float(np.multiply(exact, received).sum(dtype="float64"))
        if quantization is not None:
            low, high = quantization.range
            # What rounds to the last step is inside.
            half = quantization.scale / 2
            beyond = np.clip(given, low - half, high + half) - given
            self.outside += int(np.count_nonzero(beyond))
            self.clipping += power(np.clip(given, low, high) - given)
            self.rounding += power(quantization.round(given) - given)

    def row(self, call, tensor, position, merged, output_sqnr):
        quantization = tensor.quantization
        size = math.sqrt(self.exact * self.received)
        return LayerError(
            layer=call.path,
            kind=type(call.operation).__name__,
            position=position,
            merged=merged,
            tensor=tensor.name,
            operator=tensor.kind,
            sqnr=decibels(self.signal, self.noise),
            output_sqnr=output_sqnr,
            accumulated_sqnr=decibels(self.exact, self.total_noise),
            cosine=self.product / size if size else math.nan,
            cause=self._cause(),
            scale=quantization and quantization.scale,
            range=quantization and quantization.range,
            seen=(self.low, self.high),
            saturation=self.outside / self.count,
        )

    def _cause(self):
        if not self.noise:
            return "none"
        if self.clipping > self.noise / 2:
            return "saturation"
        return "rounding" if self.rounding > self.noise / 2 else "weights"


_SMALLEST = 1e-30


def output_errors(calls, output, errors, images):
    """Returns how the error of each layer alone shows in the output.

    The model is run once, by a batch that grows: every layer with an error
    adds a copy of the images whose values it disturbs there, and all copies
    travel on together.

    Args:
        calls: `Call`s of the model.
        output: Place of its output.
        errors: Dict of place to the error added there, an array in the shape
            of the layer's outputs for `images`.
        images: Images to run.

    Returns:
        Dict of place to the SQNR of the model's output in decibels, measured
        before a final softmax or sigmoid, but for the error of that itself.
    """
    count = len(images)
    values = {0: np.asarray(images)}
    last_readers = {}
    for call in calls:
        last_readers.update(dict.fromkeys(call.inputs, call))
    disturbed = []
    for call in calls:
        given = {
            place: _grow(values[place], count, 1 + len(disturbed))
            for place in call.inputs
        }
        for place, value in call.run(given).items():
            if place in errors:
                value = np.concatenate([value, value[:count] + errors[place]])
                disturbed.append(place)
            values[place] = value
        for place in set(call.inputs):
            if last_readers[place] is call:
                del values[place]
    exact, *others = np.split(values[output], 1 + len(disturbed))
    found = {}
    for place, other in zip(disturbed, others, strict=True):
        if place == output:
            found[place] = signal_to_noise(exact, other)
        else:
            found[place] = signal_to_noise(_logits(exact), _logits(other))
    return found


def _logits(outputs):
    """Undoes a softmax or sigmoid, which hides errors where it saturates."""
    if outputs.min() < 0 or outputs.max() > 1:
        return outputs
    outputs = np.maximum(outputs, _SMALLEST)
    if outputs.shape[-1] == 1:
        return np.log(outputs) - np.log(np.maximum(1 - outputs, _SMALLEST))
    if not np.allclose(outputs.sum(axis=-1), 1, atol=1e-3):
        return outputs
    logarithms = np.log(outputs)
    # Up to a constant, which a softmax does not see.
    return logarithms - logarithms.mean(axis=-1, keepdims=True)


def _grow(value, count, copies):
    """Adds the undisturbed images until there are so many copies."""
    missing = copies - len(value) // count
    return np.concatenate([value, *[value[:count]] * missing])


def signal_to_noise(expected, found):
    """Returns the signal-to-quantization-noise ratio (SQNR) in decibels.

    `10 log10(sum(expected^2) / sum((found - expected)^2))`: 40 dB is an error
    of 1 % of the signal, 20 dB one of 10 %, and at 0 dB the error is as large
    as the signal.

    Args:
        expected: Exact values.
        found: Values with an error, of the same shape.

    Returns:
        The ratio; `inf` for equal arrays.
    """
    return decibels(power(expected), power(found - expected))


def power(values):
    """Returns the sum of squares, summed in double precision."""
    return float(np.square(values).sum(dtype="float64"))


def decibels(signal, noise):
    """Returns the ratio of two powers in decibels."""
    if not noise:
        return math.inf
    return 10 * math.log10(signal / noise) if signal else -math.inf
