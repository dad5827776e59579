"""Finds which tensor of a file holds the output of which Keras layer."""

import dataclasses
import math
import re

import keras

from kerastl.export.diagnosis.layer_statistics import signal_to_noise
from kerastl.export.runners.file_graph import FileTensor

# From how many decibels on a tensor and a layer are taken as the same at once.
_SURE = 25.0
# Two tensors that are nearly constant share their mean and nothing else.
_SURE_AROUND_MEAN = 12.0
# How well what follows has to fit where the two themselves do not; at last
# only the names have to.
_SUPPORTS = (25.0, 12.0, 6.0, 3.0, None)
# Two that are this near to each other are equally good.
_TIE = 3.0

# Layers that hand on what they are given.
_PASSING = (
    keras.layers.Dropout,
    keras.layers.Flatten,
    keras.layers.GaussianNoise,
    keras.layers.Identity,
    keras.layers.InputLayer,
    keras.layers.Reshape,
    keras.layers.SpatialDropout2D,
)


def match_layers(calls, output, file, images):
    """Pairs the tensors of a file with the outputs of Keras layers.

    Names alone would not do: converters merge layers, number scopes anew and
    leave anonymous operations without one. Both graphs are followed from the
    image on instead. A tensor can only belong to a layer that reads the
    layers whose tensors the tensor is computed from; which of those it is, is
    told by the values: the layer's, computed by Keras from the values in the
    file, so that errors made earlier do not count. Names decide between equal
    values, such as those of a BatchNormalization that never trained. Where a
    layer's own error is so large that its values tell nothing, the layers
    after it do: they fit only if it is given the right tensor.

    Args:
        calls: `Call`s of the model.
        output: Place of the model's output.
        file: `FileGraph`.
        images: A few images that the model is made for.

    Returns:
        Dict of place to `Match`, in the order of the file. A layer that is
        merged into the next one has no entry.
    """
    return _Matcher(calls, output, file, images).match()


@dataclasses.dataclass(frozen=True)
class Match:
    """A tensor that holds the output of a layer.

    Attributes:
        tensor: `FileTensor`.
        channels_first: Whether it lies channels first.
    """

    tensor: FileTensor
    channels_first: bool

    def as_layer(self, values, shape):
        """Returns values of the tensor in the shape of the layer's."""
        if self.channels_first:
            values = values.transpose(0, 2, 3, 1)
        return values.reshape(shape)


class _Matcher:
    def __init__(self, calls, output, file, images):
        self.output = output
        self.file = file
        self.call_of = {place: call for call in calls for place in call.outputs}
        self.names = {each.key: each.name for each in file.tensors}
        self.values = file.run(images)
        self.tensor_of = {}  # place -> key
        self.given = {}  # place -> what the file holds, in Keras's shape
        self.computed = {}
        self.compared = {}
        self.channels_first = {}
        self.tensor_of[0] = file.source
        self.given[0] = images
        self._look_back()

    def match(self):
        while self._take_sure() or self._take_supported():
            pass
        if self.output not in self.tensor_of:
            self._pair(self.output, self.file.result)
        place_of = {key: place for place, key in self.tensor_of.items()}
        return {
            place_of[tensor.key]: Match(
                tensor, self.channels_first[place_of[tensor.key]]
            )
            for tensor in self.file.tensors
            if tensor.key in place_of
        }

    def _pair(self, place, key):
        _, self.given[place], self.channels_first[place] = self._fitting(
            key, place
        )
        self.tensor_of[place] = key
        self._look_back()

    def _unpair(self, place):
        del self.tensor_of[place], self.given[place]
        self._look_back()

    def _look_back(self):
        """Finds the nearest pairs that everything is computed from."""
        paired = set(self.tensor_of.values())
        self.tensors_before = {}
        for tensor in self.file.tensors:
            self.tensors_before[tensor.key] = frozenset().union(
                *(
                    {each} if each in paired else self.tensors_before[each]
                    for each in tensor.parents
                )
            )
        self.layers_before = {}
        for place, call in self.call_of.items():
            self.layers_before[place] = frozenset().union(
                *(
                    {each}
                    if each in self.tensor_of
                    else self.layers_before[each]
                    for each in call.inputs
                )
            )

    def _take_sure(self):
        """Takes the pairs that leave no doubt."""
        sure = [
            (place, key)
            for place, key, decibels in self._best_pairs()
            if decibels >= _SURE
            and (
                self._is_named(key, place)
                or self._around_mean(key, place) >= _SURE_AROUND_MEAN
            )
        ]
        for place, key in sure:
            self._pair(place, key)
        return bool(sure)

    def _take_supported(self):
        """Takes the first pair that what follows in both graphs agrees with."""
        order = {each.key: i for i, each in enumerate(self.file.tensors)}
        ranked = sorted(
            self._pairs(),
            key=lambda pair: (
                order[pair[1]],
                not self._is_named(pair[1], pair[0]),
                -pair[2],
            ),
        )
        for support in _SUPPORTS:
            for place, key, _ in ranked:
                if support is None and not self._is_named(key, place):
                    continue
                if self._is_supported(place, key, support):
                    self._pair(place, key)
                    return True
        return False

    def _is_supported(self, place, key, support):
        """Tries a pair: do the layers after it fit, better than without?"""
        before = {
            other: self._fitting(self.tensor_of[other], other)[0]
            for other in self.tensor_of
            if other
        }
        self._pair(place, key)
        try:
            changed = [
                self._fitting(self.tensor_of[other], other)[0] - decibels
                for other, decibels in before.items()
                if place in self.layers_before[other]
            ]
            if changed or support is None:
                return min(changed, default=0) >= -_TIE
            return any(
                decibels >= support and key in self.tensors_before[other]
                for _, other, decibels in self._pairs()
            )
        finally:
            self._unpair(place)

    def _best_pairs(self):
        """The pairs that are each other's best."""
        of_key, of_place = {}, {}
        for place, key, decibels in self._pairs():
            of_key.setdefault(key, {})[place] = decibels
            of_place.setdefault(place, {})[key] = decibels
        for key, places in of_key.items():
            place = self._last_named(
                [(key, each) for each in _as_good_as_best(places)]
            )[1]
            best = self._last_named(
                [(each, place) for each in _as_good_as_best(of_place[place])]
            )
            if best == (key, place):
                yield place, key, places[place]

    def _last_named(self, pairs):
        """The last of equally good pairs, those first that names speak for."""
        for is_better in (
            lambda key, place: self._is_named(key, place),
            lambda key, place: (
                not isinstance(self.call_of[place].operation, _PASSING)
            ),
        ):
            pairs = [each for each in pairs if is_better(*each)] or pairs
        return pairs[-1]

    def _is_named(self, key, place):
        """Whether the tensor's name has a part that is the layer's name."""
        layer = self.call_of[place].path.rsplit("/")[-1]
        return bool(
            re.search(
                rf"(^|[/;]){re.escape(layer)}(_\d+)?([/;:]|$)",
                self.names[key],
            )
        )

    def _around_mean(self, key, place):
        found = self._fitting(key, place)[1]
        expected = self._value(place)
        mean = expected.mean(dtype="float64")
        return signal_to_noise(expected - mean, found - mean)

    def _pairs(self):
        """All that could be pairs by where they stand in the two graphs."""
        places_after = {}
        for place, layers in self.layers_before.items():
            if place not in self.tensor_of:
                tensors = frozenset(self.tensor_of[each] for each in layers)
                places_after.setdefault(tensors, []).append(place)
        paired = set(self.tensor_of.values())
        return [
            (place, key, decibels)
            for key, tensors in self.tensors_before.items()
            if key not in paired
            for place in places_after.get(tensors, ())
            if (decibels := self._fitting(key, place)[0]) is not None
        ]

    def _fitting(self, key, place):
        """How well a tensor fits a layer, its values in the layer's shape and
        whether they lay channels first; `None` where it has another size.
        """
        question = key, place, self.layers_before[place]
        if question not in self.compared:
            expected = self._value(place)
            self.compared[question] = max(
                (
                    (signal_to_noise(expected, each), each, transposed)
                    for each, transposed in _layouts(
                        self.values[key],
                        expected.shape,
                        self.file.channels_first,
                    )
                ),
                key=lambda found: found[0],
                default=(None, None, None),
            )
        return self.compared[question]

    def _value(self, place):
        """What Keras computes from the nearest values in the file."""
        question = place, self.layers_before[place]
        if question not in self.computed:
            call = self.call_of[place]
            outputs = call.run(
                {
                    each: self.given[each]
                    if each in self.given
                    else self._value(each)
                    for each in call.inputs
                }
            )
            for output, value in outputs.items():
                self.computed[output, question[1]] = value
        return self.computed[question]


def _as_good_as_best(decibels):
    """The keys of a dict that are nearly as good as the best, in order."""
    limit = max(decibels.values()) - _TIE
    return [key for key, value in decibels.items() if value >= limit]


def _layouts(array, shape, channels_first):
    """Yields the ways in which `array` may lie in the shape of a layer."""
    if array.size != math.prod(shape):
        return
    if array.shape == shape or array.ndim < 4 or not channels_first:
        yield array.reshape(shape), False
    if channels_first and array.ndim == 4:
        yield array.transpose(0, 2, 3, 1).reshape(shape), True
