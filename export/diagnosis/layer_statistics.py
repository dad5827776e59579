"""Adds up the errors of layers over batches of images."""

import math

import numpy as np

from kerastl.export.diagnosis.diagnosis import LayerError
from kerastl.export.diagnosis.output_errors import output_errors
from kerastl.export.diagnosis.signal_to_noise import decibels
from kerastl.export.diagnosis.signal_to_noise import power

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
