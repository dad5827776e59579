"""How much a task needs each channel of a frozen network."""

import math
from collections.abc import Sequence
from typing import Literal

import keras
import numpy as np
from keras import layers
from keras import ops

from kerastl.arguments import as_names
from kerastl.data.batches import labelled_batches
from kerastl.data.batches import one_hot
from kerastl.surgery.class_outputs import class_outputs
from kerastl.surgery.convolution_taps import convolution_taps
from kerastl.surgery.feature_extractor import feature_extractor
from kerastl.surgery.feature_extractor import pool
from kerastl.surgery.find_head import find_head
from kerastl.surgery.graph import read_graph
from kerastl.surgery.repeat_calls import open_nested
from kerastl.surgery.repeat_calls import split_at
from kerastl.types import Data

_PLACES = ("convolution", "batch_norm")
# Layers that compute a channel from the same channel of what they read.
_CHANNELWISE = (
    layers.AveragePooling2D,
    layers.Dropout,
    layers.GlobalAveragePooling2D,
    layers.GlobalMaxPooling2D,
    layers.LeakyReLU,
    layers.MaxPooling2D,
    layers.ReLU,
    layers.ZeroPadding2D,
)
_POINTWISE_FUNCTIONS = (
    "elu",
    "gelu",
    "hard_sigmoid",
    "hard_silu",
    "leaky_relu",
    "linear",
    "relu",
    "relu6",
    "sigmoid",
    "silu",
    "tanh",
)
# Numbers in the largest feature map of one pass: 64 MB of float32.
_LARGEST_PASS = 2**24


def compute_channel_attention(
    source: keras.Model,
    head: keras.layers.Layer,
    data: Data,
    taps: Sequence[str] | None = None,
    place: Literal["convolution", "batch_norm"] = "convolution",
    temperature: float = 5.0,
    batches: int | None = 4,
    batch_size: int = 32,
    from_logits: bool = False,
) -> dict[str, np.ndarray]:
    """Measures the attention of DELTA: which channels the target task needs.

    For each channel of each tap: how much the target loss of the frozen
    source with a trained `head` rises when the channel is set to zero. The
    attention of a tap is the softmax of these rises, standardized over its
    channels and divided by `temperature`.

    The result is that of one pass of the whole network a channel, but only
    the layers behind the tap are computed again, for many channels at once.

    Args:
        source: The network that the features come from, a functional or built
            sequential `keras.Model`, with or without a head of its own. It
            is copied and runs in inference mode: nothing in it moves.
        head: The layer or model that turns what the source's own head reads
            into predictions for the target task, trained on the frozen
            features: see `kerastl.train_head`.
        data: `(images, labels)` arrays, or an iterable of such batches.
            Labels are integers or one-hot.
        taps: Names of layers. Defaults to
            `kerastl.surgery.convolution_taps`.
        place: Where a channel is set to zero. `"convolution"`: the output of
            the tap itself, as in the authors' code, so that
            BatchNormalization turns the channel into a constant.
            `"batch_norm"`: the output of the BatchNormalization that reads
            the tap, so that nothing is left of the channel.
        temperature: What the standardized rises are divided by.
        batches: Number of batches to use; `None` uses all.
        batch_size: Batch size for arrays.
        from_logits: `True` where `head` gives logits and that cannot be read
            in its last operations.

    Returns:
        Dict from tap name to an array with one number a channel, which sum
        to 1. Pass it to `kerastl.losses.DELTA`.

    Raises:
        ValueError: If there is no batch, a tap is unknown, no
            BatchNormalization reads it, or the head does not fit.

    Example:

    ```python
    head = kerastl.train_head(source, (images, labels))
    attention = kerastl.compute_channel_attention(
        source, head, (images, labels)
    )
    loss = kerastl.losses.DELTA(0.64, attention)
    ```

    Reference:
        Li et al., "DELTA", ICLR 2019. Standardization and temperature are
        those of the authors' code; the paper's softmax of the bare rises is
        almost uniform.
    """
    if place not in _PLACES:
        raise ValueError(
            f"`place` must be one of {_PLACES}. Received: place={place!r}"
        )
    if not temperature > 0:
        raise ValueError(
            "`temperature` must be larger than 0. "
            f"Received: temperature={temperature}"
        )
    taps = convolution_taps(source) if taps is None else as_names(taps)
    network, tensors = _network(source, head, taps)
    kind = "logits" if from_logits else class_outputs(network)
    measures = [
        _Measure(network, _masked_tensor(network, tap, tensors[tap], place))
        for tap in taps
    ]
    count = 0
    for step, (images, labels) in enumerate(labelled_batches(data, batch_size)):
        if batches is not None and step >= batches:
            break
        (predictions,) = _run(network, images)
        labels = ops.convert_to_numpy(
            one_hot(ops.convert_to_tensor(labels), predictions)
        )
        before = _losses(predictions, labels, kind).sum()
        for measure in measures:
            measure.add(images, labels, before, kind)
        count += len(predictions)
    if count == 0:
        raise ValueError(
            "The attention cannot be measured because the data has no batch. "
            f"Received: data={type(data).__name__}, batches={batches}"
        )
    return {
        tap: _attention(measure.rises / count, temperature)
        for tap, measure in zip(taps, measures, strict=True)
    }


class _Measure:
    """The rises of the loss for the channels of one tap, summed.

    What follows the tap channel by channel (normalization, activation,
    pooling) is computed twice, with all channels and with none; a channel is
    taken away by exchanging it at the end of that.
    """

    def __init__(self, network, tensor):
        end = _end_of_channelwise(read_graph(network), tensor)
        front, self._behind = split_at(network, end)
        self._front, self._between = split_at(front, tensor)
        self._axis = _channel_axis(end)
        self.rises = np.zeros(end.shape[self._axis])
        self._largest = _largest_map(self._behind, end)

    def add(self, images, labels, before, kind):
        bare, *around = _run(self._front, images)
        features, *around_end = _run(self._between, [bare, *around])
        without = _run(self._between, [np.zeros_like(bare), *around])[0]
        channels, size = len(self.rises), len(features)
        passes = math.ceil(channels * size * self._largest / _LARGEST_PASS)
        at_once = math.ceil(channels / min(passes, channels))
        around_end = [_repeated(each, at_once) for each in around_end]
        labels = _repeated(labels, at_once)
        without = np.moveaxis(without, self._axis, 0)
        for start in range(0, channels, at_once):
            chosen = range(start, min(start + at_once, channels))
            masked = _repeated(features, at_once)
            by_channel = np.moveaxis(masked, self._axis, 0)
            for place, channel in enumerate(chosen):
                rows = slice(place * size, (place + 1) * size)
                by_channel[channel, rows] = without[channel]
            (predictions,) = _run(self._behind, [masked, *around_end])
            after = _losses(predictions, labels, kind)
            after = after.reshape(at_once, size).sum(1)
            self.rises[chosen] += (after - before)[: len(chosen)]


def _network(source, head, taps):
    """A flat copy of source and head, and its tensors at the taps."""
    embedding = find_head(source).tap
    names = list(dict.fromkeys([*taps, embedding]))
    flat = open_nested(feature_extractor(source, names))
    tensors = flat.output
    try:
        outputs = head(pool(tensors[embedding]))
    except ValueError as error:
        raise ValueError(
            "The head cannot read what the source's own head reads. Train "
            "one with `kerastl.train_head(source, data)`. Received: "
            f"head={getattr(head, 'name', head)!r}, which said: {error}"
        ) from error
    return keras.Model(flat.input, outputs), tensors


def _masked_tensor(network, tap, tensor, place):
    if place == "convolution":
        return tensor
    readers = read_graph(network).readers(tensor)
    for node in readers:
        if isinstance(node.operation, layers.BatchNormalization):
            return node.outputs[0]
    raise ValueError(
        "No BatchNormalization reads the tap, so its channels cannot be set "
        "to zero behind one. Use place='convolution', or other taps. "
        f"Received: place='batch_norm', tap={tap!r}, read by "
        f"{[node.operation.name for node in readers]}"
    )


def _end_of_channelwise(graph, tensor):
    """The last tensor each of whose channels comes from one of `tensor`."""
    while not graph.is_output(tensor):
        readers = graph.readers(tensor)
        if len(readers) != 1 or not _is_channelwise(readers[0]):
            break
        tensor = readers[0].outputs[0]
    return tensor


def _is_channelwise(node):
    operation = node.operation
    if isinstance(operation, layers.BatchNormalization):
        rank = len(node.inputs[0].shape)
        return operation.axis % rank == _channel_axis(node.inputs[0])
    if isinstance(operation, layers.Activation):
        return operation.activation.__name__ in _POINTWISE_FUNCTIONS
    if isinstance(operation, layers.Add):
        return len({tuple(each.shape) for each in node.inputs}) == 1
    return isinstance(operation, _CHANNELWISE)


def _channel_axis(tensor):
    if keras.config.image_data_format() == "channels_first":
        return 1
    return len(tensor.shape) - 1


def _largest_map(model, first):
    """Numbers that the largest tensor of one image has, `first` included."""
    shapes = [first.shape[1:]] + [
        tensor.shape[1:]
        for node in read_graph(model).nodes
        for tensor in (*node.inputs, *node.outputs)
    ]
    return max(math.prod(size or 1 for size in shape) for shape in shapes)


def _run(model, inputs):
    """The outputs of `model` in inference mode, as a list of arrays."""
    # Not `predict_on_batch`: tracing takes longer than these few calls.
    outputs = keras.tree.flatten(model(inputs, training=False))
    return [ops.convert_to_numpy(each) for each in outputs]


def _repeated(array, times):
    return np.tile(array, (times, *[1] * (array.ndim - 1)))


def _losses(predictions, labels, kind):
    """Cross-entropy of each example, in float64."""
    predictions = predictions.astype("float64")
    if predictions.shape[-1] == 1:
        # One output is the second of two classes.
        other = 0 * predictions if kind == "logits" else 1 - predictions
        predictions = np.concatenate([other, predictions], axis=-1)
    if kind == "logits":
        predictions = predictions - predictions.max(-1, keepdims=True)
        total = np.exp(predictions).sum(-1, keepdims=True)
        logarithms = predictions - np.log(total)
    else:
        logarithms = np.log(np.maximum(predictions, 1e-30))
    return -(labels * logarithms).sum(-1)


def _attention(rises, temperature):
    spread = rises.std()
    scores = (rises - rises.mean()) / (spread if spread > 0 else 1.0)
    weights = np.exp((scores - scores.max()) / temperature)
    return (weights / weights.sum()).astype("float32")
